-- How many chunks the ledger knows of a run.
SELECT COUNT(*) FROM mapper_dask_chunk WHERE run_id = :run_id
