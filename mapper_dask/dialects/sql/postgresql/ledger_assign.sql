-- Note that a worker begins a chunk; no row comes back when its rows are committed already.
UPDATE mapper_dask_chunk
SET state = 'ASSIGNED', worker = %(worker)s, attempts = attempts + 1, error = NULL,
    started_at = clock_timestamp(), ended_at = NULL
WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s AND state <> 'PROCESSED'
RETURNING attempts
