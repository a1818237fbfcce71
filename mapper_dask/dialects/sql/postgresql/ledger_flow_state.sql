-- Move a flow's run to another state; one that was given up stays so.
UPDATE mapper_dask_flow
SET state = %(state)s, ended_at = CASE WHEN %(state)s = 'RUNNING' THEN NULL ELSE clock_timestamp() END
WHERE flow_run_id = %(flow_run_id)s AND state <> 'DISCARDED'
