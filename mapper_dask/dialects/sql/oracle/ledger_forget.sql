-- Remove a run with its chunks and its rejects.
DELETE FROM mapper_dask_run WHERE run_id = :run_id
