-- Remove a run of a flow with what is noted of its jobs.
DELETE FROM mapper_dask_flow WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s
