-- Enter a chunk's counts, in the transaction that holds its rows.
UPDATE mapper_dask_chunk
SET state = 'PROCESSED', rows_read = :rows_read, rows_out = :rows_out, rows_loaded = :rows_loaded,
    rows_rejected = :rows_rejected, worker = :worker, snapshot = :snapshot, seconds = :seconds,
    warnings = :warnings, error = NULL, ended_at = SYSTIMESTAMP
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state <> 'PROCESSED'
