-- Type names, categories and NOT NULL of a query's result columns, in their order.
SELECT format_type(c.type_id, m.modifier),
       format_type(c.type_id, -1),
       t.typcategory,
       c.type_id < 16384 AND coalesce(e.oid, 0) < 16384
           AND coalesce(e.typsend, t.typsend) <> 0  -- aclitem has no binary form
           AND coalesce(e.typname, t.typname) !~ '^(reg|tsquery$)',  -- numbers of this database; a form it refuses
       coalesce(a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint n  -- NOT VALID or NO INHERIT: NULLs may stand there
           WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND (NOT n.convalidated OR n.connoinherit)
             AND n.conkey = ARRAY[a.attnum]), false)
FROM unnest(%(type_ids)s::oid[], %(tables)s::oid[], %(numbers)s::int2[], %(modifiers)s::int4[])
     WITH ORDINALITY AS c(type_id, table_id, number, modifier, place)
JOIN pg_type t ON t.oid = c.type_id
LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0
LEFT JOIN pg_attribute a ON a.attrelid = c.table_id AND a.attnum = c.number
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.atttypid = c.type_id THEN a.atttypmod ELSE c.modifier END AS modifier
) m
ORDER BY c.place
