-- The tables with a foreign key to a table; its own keys to itself are not among them.
SELECT DISTINCT f.conrelid::pg_catalog.regclass::pg_catalog.text
FROM pg_catalog.pg_constraint f
WHERE f.contype OPERATOR(pg_catalog.=) 'f'
  AND f.confrelid OPERATOR(pg_catalog.=) %(table_id)s::pg_catalog.oid
  AND f.conrelid OPERATOR(pg_catalog.<>) f.confrelid
ORDER BY 1
