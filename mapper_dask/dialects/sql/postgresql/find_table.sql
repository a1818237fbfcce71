-- The table a schema and name mean here; without a schema the search path decides.
SELECT c.oid::bigint, n.nspname, c.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.=) %(name)s
  -- of another session, if temporary: nobody else can load that
  AND c.relpersistence OPERATOR(pg_catalog.<>) 't'
  AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,f}')
  AND CASE WHEN %(schema)s::pg_catalog.text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
           ELSE n.nspname OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.text END
