-- Count rows of a chunk as rejected that were loaded, and that its target refuses in the end.
UPDATE mapper_dask_chunk
SET rows_loaded = rows_loaded OPERATOR(pg_catalog.-) %(refused)s,
    rows_rejected = rows_rejected OPERATOR(pg_catalog.+) %(refused)s
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
  AND state OPERATOR(pg_catalog.=) 'PROCESSED' AND rows_loaded OPERATOR(pg_catalog.>=) %(refused)s
RETURNING chunk_id
