-- One run.
SELECT fingerprint, plan, snapshot, state, staging, notes FROM mapper_dask_run WHERE run_id = :run_id
