-- What to grant the login on the tables of flows, as statements; nothing where it has these rights.
SELECT pg_catalog.concat('GRANT SELECT, INSERT, UPDATE ON ', pg_catalog.quote_ident(n.nspname), '.',
                         pg_catalog.quote_ident(c.relname), ' TO ', pg_catalog.quote_ident(current_user))
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE (c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('mapper_dask_flow')
    OR c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('mapper_dask_flow_job'))
  AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT')
       AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
       AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'))
ORDER BY c.relname
