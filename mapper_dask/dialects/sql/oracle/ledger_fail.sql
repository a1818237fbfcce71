-- Note why a chunk failed, unless another copy has committed it.
SELECT chunk_id FROM mapper_dask_chunk WHERE run_id = :run_id AND chunk_id = :chunk_id FOR UPDATE {wait}
/
UPDATE mapper_dask_chunk
SET state = 'PROCESSED_WITH_ERROR', rows_read = :rows_read, worker = :worker, seconds = :seconds,
    error = :error, ended_at = SYSTIMESTAMP
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state <> 'PROCESSED'
