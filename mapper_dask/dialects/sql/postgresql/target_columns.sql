-- The columns of a table that receives rows; a domain is shown as the type it is made of.
SELECT a.attname,
       format_type(b.base, b.modifier),
       format_type(b.base, -1),
       t.typcategory,
       b.base < 16384 AND coalesce(e.oid, 0) < 16384
           AND coalesce(e.typsend, t.typsend) <> 0  -- aclitem has no binary form
           AND coalesce(e.typname, t.typname) !~ '^(reg|tsquery$)',  -- numbers of this database; a form it refuses
       b.base::int8,
       a.attnotnull,
       a.atthasdef OR a.attidentity <> '',
       a.attgenerated <> ''
FROM pg_attribute a
JOIN LATERAL (
    WITH RECURSIVE base(type_id, modifier) AS (
        SELECT a.atttypid, a.atttypmod
        UNION ALL
        SELECT d.typbasetype, d.typtypmod FROM base JOIN pg_type d ON d.oid = base.type_id
        WHERE d.typtype = 'd'
    )
    SELECT base.type_id AS base, base.modifier FROM base
    JOIN pg_type last ON last.oid = base.type_id AND last.typtype <> 'd'
) b ON true
JOIN pg_type t ON t.oid = b.base
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0
WHERE a.attrelid = %(table_id)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
