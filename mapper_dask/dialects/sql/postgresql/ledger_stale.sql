-- Staging tables in a schema that belong to this ledger and that no run will come back for.
SELECT c.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname OPERATOR(pg_catalog.=) %(schema)s AND c.relkind OPERATOR(pg_catalog.=) 'r'
  AND pg_catalog.starts_with(c.relname, 'mapper_dask_stage_')
  AND EXISTS (
      SELECT FROM pg_catalog.pg_description d  -- obj_description looks operators up until PostgreSQL 13
      WHERE d.objoid OPERATOR(pg_catalog.=) c.oid AND d.classoid OPERATOR(pg_catalog.=) c.tableoid
        AND d.objsubid OPERATOR(pg_catalog.=) 0
        AND d.description OPERATOR(pg_catalog.=) pg_catalog.concat(
          'mapper_dask ledger ', 'mapper_dask_run'::pg_catalog.regclass::pg_catalog.oid))
  AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (
      SELECT FROM mapper_dask_run r
      WHERE r.staging OPERATOR(pg_catalog.=) c.relname AND r.state OPERATOR(pg_catalog.<>) 'SUCCEEDED'
        AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => %(seconds)s)
            OPERATOR(pg_catalog.<) greatest(
            r.started_at, r.ended_at,
            (SELECT pg_catalog.max(greatest(k.started_at, k.ended_at)) FROM mapper_dask_chunk k
             WHERE k.run_id OPERATOR(pg_catalog.=) r.run_id)))
