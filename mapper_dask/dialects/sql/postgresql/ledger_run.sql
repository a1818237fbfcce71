-- One run.
SELECT fingerprint, plan::text, snapshot, state, staging, notes::text
FROM mapper_dask_run WHERE run_id = %(run_id)s
