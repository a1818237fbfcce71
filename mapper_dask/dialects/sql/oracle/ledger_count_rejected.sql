-- Count rows of a chunk as rejected that were loaded, and that its target refuses in the end.
UPDATE mapper_dask_chunk
SET rows_loaded = rows_loaded - :refused, rows_rejected = rows_rejected + :refused
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state = 'PROCESSED' AND rows_loaded >= :refused
