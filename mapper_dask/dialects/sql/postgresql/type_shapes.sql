-- What types are made of, down to the server's own: a row for each part of each type that is reached
-- from some, of the type's number, kind, name, whether users made it, labels; and of the part's name,
-- number, modifier, name with modifiers, and the collation it is ordered by where that matters.
WITH RECURSIVE made(id) AS (
    SELECT t.id FROM pg_catalog.unnest(%(types)s::pg_catalog.oid[]) AS t(id)
    UNION
    SELECT p.id
    FROM made m
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) m.id
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
        UNION ALL
        SELECT e.oid FROM pg_catalog.pg_type e
        WHERE e.oid OPERATOR(pg_catalog.=) t.typelem AND e.typarray OPERATOR(pg_catalog.=) t.oid
        UNION ALL
        SELECT CASE WHEN r.rngtypid OPERATOR(pg_catalog.=) t.oid THEN r.rngsubtype ELSE r.rngtypid END
        FROM pg_catalog.pg_range r
        WHERE r.rngtypid OPERATOR(pg_catalog.=) t.oid
           -- multiranges there are since version 14
           OR (pg_catalog.to_jsonb(r.*) OPERATOR(pg_catalog.->>) 'rngmultitypid')::pg_catalog.oid OPERATOR(pg_catalog.=) t.oid
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid AND t.typrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
          AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    ) AS p(id)
)
SELECT t.oid::bigint,
       CASE WHEN e.oid IS NOT NULL THEN 'a' ELSE t.typtype::pg_catalog.text END,
       pg_catalog.format_type(t.oid, NULL),
       t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid,
       ARRAY(SELECT l.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum l
             WHERE l.enumtypid OPERATOR(pg_catalog.=) t.oid ORDER BY l.enumsortorder),
       coalesce(p.name, ''), p.id::bigint, p.modifier, pg_catalog.format_type(p.id, p.modifier),
       coalesce(c.collname::pg_catalog.text, '')
FROM made m
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) m.id
LEFT JOIN pg_catalog.pg_type e
    ON e.oid OPERATOR(pg_catalog.=) t.typelem AND e.typarray OPERATOR(pg_catalog.=) t.oid
LEFT JOIN LATERAL (
    SELECT ''::pg_catalog.text, t.typbasetype, t.typtypmod, 0::pg_catalog.oid, 0
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
    UNION ALL
    SELECT '', e.oid, -1, 0::pg_catalog.oid, 0 WHERE e.oid IS NOT NULL
    UNION ALL
    SELECT '', CASE WHEN r.rngtypid OPERATOR(pg_catalog.=) t.oid THEN r.rngsubtype ELSE r.rngtypid END, -1,
           CASE WHEN r.rngtypid OPERATOR(pg_catalog.=) t.oid THEN r.rngcollation ELSE 0::pg_catalog.oid END, 0
    FROM pg_catalog.pg_range r
    WHERE r.rngtypid OPERATOR(pg_catalog.=) t.oid
       OR (pg_catalog.to_jsonb(r.*) OPERATOR(pg_catalog.->>) 'rngmultitypid')::pg_catalog.oid OPERATOR(pg_catalog.=) t.oid
    UNION ALL
    SELECT a.attname::pg_catalog.text, a.atttypid, a.atttypmod, 0::pg_catalog.oid, a.attnum::integer
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid AND t.typrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
) AS p(name, id, modifier, collation_id, place) ON true
LEFT JOIN pg_catalog.pg_collation c ON c.oid OPERATOR(pg_catalog.=) p.collation_id
ORDER BY t.oid, p.place
