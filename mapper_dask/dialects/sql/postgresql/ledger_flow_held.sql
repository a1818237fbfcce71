-- Note what the target held when a job's window had been read to its end.
UPDATE mapper_dask_flow_job SET held = %(held)s
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
