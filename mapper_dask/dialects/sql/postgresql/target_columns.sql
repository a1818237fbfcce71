-- The columns of a table that receives rows; a domain is shown as the type it is made of.
SELECT a.attname,
       pg_catalog.format_type(b.base, b.modifier),
       pg_catalog.format_type(b.base, -1),
       t.typcategory,
       b.base OPERATOR(pg_catalog.<) 16384 AND coalesce(e.oid, 0) OPERATOR(pg_catalog.<) 16384
           AND coalesce(e.typsend, t.typsend) OPERATOR(pg_catalog.<>) 0  -- aclitem has no binary form
           -- numbers of this database; a form it refuses
           AND coalesce(e.typname, t.typname) OPERATOR(pg_catalog.!~) '^(reg|tsquery$)',
       b.base::bigint,
       a.attnotnull,
       a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) '',
       a.attgenerated OPERATOR(pg_catalog.<>) ''
FROM pg_catalog.pg_attribute a
JOIN LATERAL (
    WITH RECURSIVE base(type_id, modifier) AS (
        SELECT a.atttypid, a.atttypmod
        UNION ALL
        SELECT d.typbasetype, d.typtypmod FROM base
        JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) base.type_id
        WHERE d.typtype OPERATOR(pg_catalog.=) 'd'
    )
    SELECT base.type_id AS base, base.modifier FROM base
    JOIN pg_catalog.pg_type last ON last.oid OPERATOR(pg_catalog.=) base.type_id
      AND last.typtype OPERATOR(pg_catalog.<>) 'd'
) b ON true
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.base
LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
  AND t.typelem OPERATOR(pg_catalog.<>) 0
WHERE a.attrelid OPERATOR(pg_catalog.=) %(table_id)s AND a.attnum OPERATOR(pg_catalog.>) 0
  AND NOT a.attisdropped
ORDER BY a.attnum
