-- Note that a job of a flow begins; one that is done, or given up, stays so.
UPDATE mapper_dask_flow_job
SET state = 'RUNNING', run_id = :run_id, error = NULL, started_at = SYSTIMESTAMP, ended_at = NULL
WHERE flow_run_id = :flow_run_id AND job = :job AND state NOT IN ('SUCCEEDED', 'DISCARDED')
