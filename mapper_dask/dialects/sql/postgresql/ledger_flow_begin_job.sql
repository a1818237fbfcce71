-- Note that a job of a flow begins; one that is done, or given up, stays so.
UPDATE mapper_dask_flow_job
SET state = 'RUNNING', run_id = %(run_id)s, error = NULL, started_at = clock_timestamp(), ended_at = NULL
WHERE flow_run_id = %(flow_run_id)s AND job = %(job)s AND state NOT IN ('SUCCEEDED', 'DISCARDED')
RETURNING job
