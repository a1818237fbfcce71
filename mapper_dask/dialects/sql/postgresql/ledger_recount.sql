-- Count again what a chunk has loaded and rejected, in the transaction that loads some of the latter.
UPDATE mapper_dask_chunk
SET rows_loaded = rows_loaded OPERATOR(pg_catalog.+) %(loaded)s, rows_rejected = %(rejected)s,
    rows_out = rows_loaded OPERATOR(pg_catalog.+) %(loaded)s OPERATOR(pg_catalog.+) %(rejected)s
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
  AND state OPERATOR(pg_catalog.=) 'PROCESSED'
RETURNING chunk_id
