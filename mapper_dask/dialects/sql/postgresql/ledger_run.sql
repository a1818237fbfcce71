-- One run.
SELECT fingerprint, plan::text, snapshot, state FROM mapper_dask_run WHERE run_id = %(run_id)s
