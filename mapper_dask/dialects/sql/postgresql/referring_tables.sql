-- The tables with a foreign key to a table; its own keys to itself are not among them.
SELECT DISTINCT f.conrelid::regclass::text
FROM pg_constraint f
WHERE f.contype = 'f' AND f.confrelid = %(table_id)s::oid AND f.conrelid <> f.confrelid
ORDER BY 1
