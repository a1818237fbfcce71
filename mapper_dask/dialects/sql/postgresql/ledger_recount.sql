-- Count again what a chunk has loaded and set aside, in the transaction that loads some of the latter.
UPDATE mapper_dask_chunk
SET rows_loaded = rows_loaded + %(loaded)s, rows_rejected = %(rejected)s,
    rows_out = rows_loaded + %(loaded)s + %(rejected)s
WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s AND state = 'PROCESSED'
RETURNING chunk_id
