-- The columns of tables, by their places in a list: their types less what a domain adds, the type of
-- an array's elements, and whether texts that are equal are the same.
WITH RECURSIVE attribute(place, name, type_id, modifier, collation_id) AS (
    SELECT u.place, a.attname, a.atttypid, a.atttypmod, a.attcollation
    FROM ROWS FROM (
             pg_catalog.unnest(%(schemas)s::pg_catalog.text[]),
             pg_catalog.unnest(%(tables)s::pg_catalog.text[])
         ) WITH ORDINALITY AS u(schema, name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) u.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
      AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) u.name
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
      AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    UNION ALL
    SELECT o.place, o.name, t.typbasetype, t.typtypmod, o.collation_id
    FROM attribute o
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) o.type_id
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
)
SELECT a.place, a.name::pg_catalog.text,
       pg_catalog.format_type(coalesce(e.oid, a.type_id), a.modifier),
       coalesce(e.typtype, t.typtype)::pg_catalog.text,
       coalesce(l.collisdeterministic, true)
FROM attribute a
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.type_id
LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
  AND t.typcategory OPERATOR(pg_catalog.=) 'A'
LEFT JOIN pg_catalog.pg_collation l ON l.oid OPERATOR(pg_catalog.=) a.collation_id
WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'
ORDER BY 1, 2
