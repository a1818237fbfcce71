-- Note what the target held when a job's window had been read to its end.
UPDATE mapper_dask_flow_job SET held = :held
WHERE flow_run_id = :flow_run_id AND job = :job
