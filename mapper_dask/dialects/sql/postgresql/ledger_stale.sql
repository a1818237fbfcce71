-- Staging tables in a schema that belong to this ledger and that no run will come back for.
SELECT c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind = 'r' AND starts_with(c.relname, 'mapper_dask_stage_')
  AND obj_description(c.oid, 'pg_class') = 'mapper_dask ledger ' || 'mapper_dask_run'::regclass::oid
  AND pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM mapper_dask_run r
      WHERE r.staging = c.relname AND r.state <> 'SUCCEEDED'
        AND clock_timestamp() - make_interval(secs => %(seconds)s) < greatest(
            r.started_at, r.ended_at,
            (SELECT max(greatest(k.started_at, k.ended_at)) FROM mapper_dask_chunk k
             WHERE k.run_id = r.run_id)))
