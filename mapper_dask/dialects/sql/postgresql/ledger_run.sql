-- One run.
SELECT fingerprint, plan::pg_catalog.text, snapshot, state, staging, notes::pg_catalog.text
FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
