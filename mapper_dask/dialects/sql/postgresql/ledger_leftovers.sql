-- Staging tables of this ledger, in any schema, that no run will come back for.
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND pg_catalog.starts_with(c.relname, 'mapper_dask_stage_')
  AND EXISTS (
      SELECT FROM pg_catalog.pg_description d  -- obj_description looks operators up until PostgreSQL 13
      WHERE d.objoid OPERATOR(pg_catalog.=) c.oid AND d.classoid OPERATOR(pg_catalog.=) c.tableoid
        AND d.objsubid OPERATOR(pg_catalog.=) 0
        AND d.description OPERATOR(pg_catalog.=) pg_catalog.concat(
          'mapper_dask ledger ', 'mapper_dask_run'::pg_catalog.regclass::pg_catalog.oid))
  AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM mapper_dask_run r
      WHERE r.staging OPERATOR(pg_catalog.=) c.relname
        AND r.state OPERATOR(pg_catalog.<>) ALL ('{SUCCEEDED,DISCARDED}'))
ORDER BY 1, 2
