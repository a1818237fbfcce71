-- The rows of a run's chunks, which show no transaction here.
SELECT chunk_id, rows_loaded, loaded_by FROM mapper_dask_chunk
WHERE run_id = :run_id AND state = 'PROCESSED'
