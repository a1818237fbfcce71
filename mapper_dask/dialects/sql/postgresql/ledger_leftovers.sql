-- Staging tables of this ledger, in any schema, that no run will come back for.
SELECT n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND starts_with(c.relname, 'mapper_dask_stage_')
  AND obj_description(c.oid, 'pg_class') = 'mapper_dask ledger ' || 'mapper_dask_run'::regclass::oid
  AND pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM mapper_dask_run r
      WHERE r.staging = c.relname AND r.state NOT IN ('SUCCEEDED', 'DISCARDED'))
ORDER BY 1, 2
