-- Give up what a flow's run has not done.
UPDATE mapper_dask_flow_job
SET state = 'DISCARDED', ended_at = SYSTIMESTAMP
WHERE flow_run_id = :flow_run_id AND state <> 'SUCCEEDED'
