-- Runs of flows in which nothing has happened for so long, and that do not hold how far some
-- incremental job has come.
SELECT f.flow_run_id, f.state
FROM mapper_dask_flow f
WHERE SYSTIMESTAMP - NUMTODSINTERVAL(:seconds, 'SECOND') >= GREATEST(
        f.started_at, NVL(f.ended_at, f.started_at),
        NVL((SELECT MAX(NVL(k.ended_at, k.started_at)) FROM mapper_dask_flow_job k
             WHERE k.flow_run_id = f.flow_run_id), f.started_at))
  AND NOT EXISTS (
      SELECT 1 FROM mapper_dask_flow_job j
      WHERE j.flow_run_id = f.flow_run_id AND j.state = 'SUCCEEDED' AND j.opening = (
          SELECT MAX(k.opening)
          FROM mapper_dask_flow_job k JOIN mapper_dask_flow g ON g.flow_run_id = k.flow_run_id
          WHERE g.name = f.name AND k.job = j.job AND k.state = 'SUCCEEDED'
            AND NOT (k.run_id IS NULL AND k.error IS NOT NULL)))  -- rewound
ORDER BY f.started_at
