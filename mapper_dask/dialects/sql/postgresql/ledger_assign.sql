-- Note that a worker begins a chunk of a running run; no row comes back when its rows are committed
-- already, or the run was stopped.
UPDATE mapper_dask_chunk
SET state = 'ASSIGNED', worker = %(worker)s, attempts = attempts + 1, error = NULL,
    started_at = clock_timestamp(), ended_at = NULL
WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s AND state <> 'PROCESSED'
  AND EXISTS (SELECT FROM mapper_dask_run r WHERE r.run_id = %(run_id)s AND r.state = 'RUNNING')
RETURNING attempts
