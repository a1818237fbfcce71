-- Windows of a job in other runs of its flow: those that have not succeeded, and the last that has
-- and was not rewound.
SELECT j.flow_run_id, j.state, j.run_id, j.low, j.high, j.opening, j.rows_loaded, j.held
FROM mapper_dask_flow_job j JOIN mapper_dask_flow f ON f.flow_run_id OPERATOR(pg_catalog.=) j.flow_run_id
WHERE f.name OPERATOR(pg_catalog.=) %(name)s AND j.job OPERATOR(pg_catalog.=) %(job)s
  AND j.flow_run_id OPERATOR(pg_catalog.<>) %(flow_run_id)s
  AND j.opening IS NOT NULL
  AND (j.state OPERATOR(pg_catalog.<>) ALL ('{SUCCEEDED,DISCARDED}')
       OR (j.state OPERATOR(pg_catalog.=) 'SUCCEEDED' AND NOT (j.run_id IS NULL AND j.error IS NOT NULL)
           AND j.opening OPERATOR(pg_catalog.=) (
           SELECT pg_catalog.max(k.opening)
           FROM mapper_dask_flow_job k
           JOIN mapper_dask_flow g ON g.flow_run_id OPERATOR(pg_catalog.=) k.flow_run_id
           WHERE g.name OPERATOR(pg_catalog.=) %(name)s AND k.job OPERATOR(pg_catalog.=) %(job)s
             AND k.flow_run_id OPERATOR(pg_catalog.<>) %(flow_run_id)s
             AND k.state OPERATOR(pg_catalog.=) 'SUCCEEDED'
             AND NOT (k.run_id IS NULL AND k.error IS NOT NULL))))
ORDER BY j.opening
