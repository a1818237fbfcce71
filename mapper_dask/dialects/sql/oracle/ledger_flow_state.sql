-- Move a flow's run to another state; one that was given up stays so.
UPDATE mapper_dask_flow
SET state = :state, ended_at = CASE WHEN :state = 'RUNNING' THEN NULL ELSE SYSTIMESTAMP END
WHERE flow_run_id = :flow_run_id AND state <> 'DISCARDED'
