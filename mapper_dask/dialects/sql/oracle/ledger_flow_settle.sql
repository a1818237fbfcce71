-- Say what became of a window that another run has left open, unless that one is resumed meanwhile.
UPDATE mapper_dask_flow_job
SET state = :state, error = :error, ended_at = SYSTIMESTAMP
WHERE flow_run_id = :flow_run_id AND job = :job AND state = :expected
