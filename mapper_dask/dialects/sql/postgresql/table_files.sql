-- The files a table is stored in, its partitions' and heirs' among them, and what kind each is.
WITH RECURSIVE tree (id) AS (
    SELECT c.oid FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.name
      AND c.relname OPERATOR(pg_catalog.=) %(name)s::pg_catalog.name
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i
    JOIN tree ON tree.id OPERATOR(pg_catalog.=) i.inhparent
)
SELECT (SELECT d.oid::bigint FROM pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),
       pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()),
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'),
       c.oid::bigint, c.relfilenode::bigint, c.relkind::pg_catalog.text,
       c.relpersistence::pg_catalog.text
FROM pg_catalog.pg_class c JOIN tree ON tree.id OPERATOR(pg_catalog.=) c.oid
ORDER BY c.oid
