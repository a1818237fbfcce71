-- The columns of a table that receives rows; a domain is shown as the type it is made of, and with
-- what it checks, as have those that it is made over.
SELECT a.attname,
       pg_catalog.format_type(b.base, b.modifier),
       pg_catalog.format_type(b.base, -1),
       t.typcategory,
       b.base OPERATOR(pg_catalog.<) 16384 AND coalesce(e.oid, 0) OPERATOR(pg_catalog.<) 16384
           AND coalesce(e.typsend, t.typsend) OPERATOR(pg_catalog.<>) 0  -- aclitem has no binary form
           -- numbers of this database; a form it refuses
           AND coalesce(e.typname, t.typname) OPERATOR(pg_catalog.!~) '^(reg|tsquery$)',
       b.base::bigint,
       a.attnotnull OR b.not_null,
       -- a domain's own default fills what a row leaves out, as a column's does
       a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) '' OR d.typdefault IS NOT NULL,
       a.attgenerated OPERATOR(pg_catalog.<>) '',
       b.checks
FROM pg_catalog.pg_attribute a
JOIN LATERAL (
    WITH RECURSIVE base(type_id, modifier, not_null, checks) AS (
        SELECT a.atttypid, a.atttypmod, false, '{}'::pg_catalog.text[]
        UNION ALL
        SELECT d.typbasetype, d.typtypmod, base.not_null OR d.typnotnull,
               pg_catalog.array_cat(base.checks, ARRAY(
                   SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k
                   WHERE k.contypid OPERATOR(pg_catalog.=) d.oid AND k.contype OPERATOR(pg_catalog.=) 'c'))
        FROM base
        JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) base.type_id
        WHERE d.typtype OPERATOR(pg_catalog.=) 'd'
    )
    SELECT base.type_id AS base, base.modifier, base.not_null, base.checks FROM base
    JOIN pg_catalog.pg_type last ON last.oid OPERATOR(pg_catalog.=) base.type_id
      AND last.typtype OPERATOR(pg_catalog.<>) 'd'
) b ON true
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.base
JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) a.atttypid
LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
  AND t.typelem OPERATOR(pg_catalog.<>) 0
WHERE a.attrelid OPERATOR(pg_catalog.=) %(table_id)s AND a.attnum OPERATOR(pg_catalog.>) 0
  AND NOT a.attisdropped
ORDER BY a.attnum
