-- Windows of a job in other runs of its flow: those that have not succeeded, and the last that has
-- and was not rewound.
SELECT j.flow_run_id, j.state, j.run_id, j.low, j.high, j.opening, j.rows_loaded, j.held
FROM mapper_dask_flow_job j JOIN mapper_dask_flow f ON f.flow_run_id = j.flow_run_id
WHERE f.name = :name AND j.job = :job AND j.flow_run_id <> :flow_run_id
  AND j.opening IS NOT NULL
  AND (j.state NOT IN ('SUCCEEDED', 'DISCARDED')
       OR (j.state = 'SUCCEEDED' AND NOT (j.run_id IS NULL AND j.error IS NOT NULL) AND j.opening = (
           SELECT MAX(k.opening)
           FROM mapper_dask_flow_job k JOIN mapper_dask_flow g ON g.flow_run_id = k.flow_run_id
           WHERE g.name = :name AND k.job = :job AND k.flow_run_id <> :flow_run_id
             AND k.state = 'SUCCEEDED'
             AND NOT (k.run_id IS NULL AND k.error IS NOT NULL))))
ORDER BY j.opening
