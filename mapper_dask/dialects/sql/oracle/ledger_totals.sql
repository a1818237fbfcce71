-- Chunks of a run that are not committed, and the rows of those that are.
SELECT COUNT(CASE WHEN state <> 'PROCESSED' THEN 1 END),
       NVL(SUM(CASE WHEN state = 'PROCESSED' THEN rows_loaded END), 0)
FROM mapper_dask_chunk WHERE run_id = :run_id
