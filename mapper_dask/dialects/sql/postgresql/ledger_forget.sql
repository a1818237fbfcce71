-- Remove a run with its chunks and its rejects.
DELETE FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
