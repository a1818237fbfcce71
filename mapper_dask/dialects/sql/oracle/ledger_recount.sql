-- Count again what a chunk has loaded and rejected, in the transaction that loads some of the latter.
UPDATE mapper_dask_chunk
SET rows_loaded = rows_loaded + :loaded, rows_rejected = :rejected,
    rows_out = rows_loaded + :loaded + :rejected
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state = 'PROCESSED'
