-- The staging tables of a name, in any schema, that belong to this ledger and to a role of ours, and
-- whether they do no more than to hold rows.
SELECT n.nspname, c.relname,
       NOT (c.relhasrules OR c.relrowsecurity OR c.relhassubclass OR EXISTS (
           SELECT FROM pg_catalog.pg_trigger t
           WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid
             AND NOT (t.tgisinternal  -- of a deferrable key, which it has where the target has one
                      AND t.tgfoid OPERATOR(pg_catalog.=)
                          'pg_catalog.unique_key_recheck'::pg_catalog.regproc::pg_catalog.oid)))
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_description d
  ON d.objoid OPERATOR(pg_catalog.=) c.oid AND d.objsubid OPERATOR(pg_catalog.=) 0
 AND d.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
  AND c.relname OPERATOR(pg_catalog.=) %(staging)s::pg_catalog.name
  AND d.description OPERATOR(pg_catalog.=) pg_catalog.concat(
      'mapper_dask ledger ', 'mapper_dask_run'::pg_catalog.regclass::pg_catalog.oid)
  AND pg_catalog.pg_has_role(c.relowner, 'USAGE'::pg_catalog.text)
