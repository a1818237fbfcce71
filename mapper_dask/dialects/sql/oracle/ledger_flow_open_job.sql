-- Enter a job of a flow's run; nothing happens when it is there already.
MERGE INTO mapper_dask_flow_job j
USING (SELECT :flow_run_id AS flow_run_id, :job AS job FROM SYS.DUAL) n
ON (j.flow_run_id = n.flow_run_id AND j.job = n.job)
WHEN NOT MATCHED THEN INSERT (flow_run_id, job, place) VALUES (:flow_run_id, :job, :place)
