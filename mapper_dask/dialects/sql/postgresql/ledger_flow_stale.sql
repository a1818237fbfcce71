-- Runs of flows in which nothing has happened for so long, and that do not hold how far some
-- incremental job has come.
SELECT f.flow_run_id, f.state
FROM mapper_dask_flow f
WHERE clock_timestamp() - make_interval(secs => %(seconds)s) >= greatest(
        f.started_at, f.ended_at,
        (SELECT max(greatest(k.started_at, k.ended_at)) FROM mapper_dask_flow_job k
         WHERE k.flow_run_id = f.flow_run_id))
  AND NOT EXISTS (
      SELECT FROM mapper_dask_flow_job j
      WHERE j.flow_run_id = f.flow_run_id AND j.state = 'SUCCEEDED' AND j.opening = (
          SELECT max(k.opening)
          FROM mapper_dask_flow_job k JOIN mapper_dask_flow g ON g.flow_run_id = k.flow_run_id
          WHERE g.name = f.name AND k.job = j.job AND k.state = 'SUCCEEDED'))
ORDER BY f.started_at
