-- Remove a run of a flow with what is noted of its jobs.
DELETE FROM mapper_dask_flow WHERE flow_run_id = :flow_run_id
