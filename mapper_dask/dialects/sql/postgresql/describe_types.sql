-- Type names, categories and NOT NULL of a query's result columns, in their order.
SELECT pg_catalog.format_type(c.type_id, m.modifier),
       pg_catalog.format_type(c.type_id, -1),
       t.typcategory,
       c.type_id OPERATOR(pg_catalog.<) 16384 AND coalesce(e.oid, 0) OPERATOR(pg_catalog.<) 16384
           AND coalesce(e.typsend, t.typsend) OPERATOR(pg_catalog.<>) 0  -- aclitem has no binary form
           -- numbers of this database; a form it refuses
           AND coalesce(e.typname, t.typname) OPERATOR(pg_catalog.!~) '^(reg|tsquery$)',
       coalesce(a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint n  -- NOT VALID or NO INHERIT: the column may hold NULLs
           WHERE n.conrelid OPERATOR(pg_catalog.=) a.attrelid
             AND n.contype OPERATOR(pg_catalog.=) 'n' AND (NOT n.convalidated OR n.connoinherit)
             AND n.conkey OPERATOR(pg_catalog.=) ARRAY[a.attnum]), false),
       t.typnamespace::pg_catalog.regnamespace::pg_catalog.text OPERATOR(pg_catalog.||) '.'
           OPERATOR(pg_catalog.||) pg_catalog.quote_ident(t.typname),
       pg_catalog.current_setting('mapper_dask.transaction', true),
       pg_catalog.current_setting('transaction_read_only')
FROM ROWS FROM (
         pg_catalog.unnest(%(type_ids)s::pg_catalog.oid[]),
         pg_catalog.unnest(%(tables)s::pg_catalog.oid[]),
         pg_catalog.unnest(%(numbers)s::smallint[]), pg_catalog.unnest(%(modifiers)s::integer[])
     ) WITH ORDINALITY AS c(type_id, table_id, number, modifier, place)
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.type_id
LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
  AND t.typelem OPERATOR(pg_catalog.<>) 0
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.table_id
  AND a.attnum OPERATOR(pg_catalog.=) c.number
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.atttypid OPERATOR(pg_catalog.=) c.type_id
                THEN a.atttypmod ELSE c.modifier END AS modifier
) m
ORDER BY c.place
