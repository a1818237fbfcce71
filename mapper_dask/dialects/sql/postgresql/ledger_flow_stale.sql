-- Runs of flows in which nothing has happened for so long, and that do not hold how far some
-- incremental job has come.
SELECT f.flow_run_id, f.state
FROM mapper_dask_flow f
WHERE pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => %(seconds)s)
      OPERATOR(pg_catalog.>=) greatest(
        f.started_at, f.ended_at,
        (SELECT pg_catalog.max(greatest(k.started_at, k.ended_at)) FROM mapper_dask_flow_job k
         WHERE k.flow_run_id OPERATOR(pg_catalog.=) f.flow_run_id))
  AND NOT EXISTS (
      SELECT FROM mapper_dask_flow_job j
      WHERE j.flow_run_id OPERATOR(pg_catalog.=) f.flow_run_id
        AND j.state OPERATOR(pg_catalog.=) 'SUCCEEDED' AND j.opening OPERATOR(pg_catalog.=) (
          SELECT pg_catalog.max(k.opening)
          FROM mapper_dask_flow_job k
          JOIN mapper_dask_flow g ON g.flow_run_id OPERATOR(pg_catalog.=) k.flow_run_id
          WHERE g.name OPERATOR(pg_catalog.=) f.name AND k.job OPERATOR(pg_catalog.=) j.job
            AND k.state OPERATOR(pg_catalog.=) 'SUCCEEDED'
            AND NOT (k.run_id IS NULL AND k.error IS NOT NULL)))  -- rewound
ORDER BY f.started_at
