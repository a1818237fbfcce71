-- The state of a run.
SELECT state FROM mapper_dask_run WHERE run_id = :run_id
