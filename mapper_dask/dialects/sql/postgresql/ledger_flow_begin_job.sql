-- Note that a job of a flow begins; one that is done, or given up, stays so.
UPDATE mapper_dask_flow_job
SET state = 'RUNNING', run_id = %(run_id)s, error = NULL,
    started_at = pg_catalog.clock_timestamp(), ended_at = NULL
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
  AND state OPERATOR(pg_catalog.<>) ALL ('{SUCCEEDED,DISCARDED}')
RETURNING job
