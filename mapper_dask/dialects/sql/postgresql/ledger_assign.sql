-- Note that a worker begins a chunk of a running run; no row comes back when its rows are committed
-- already, or the run was stopped.
UPDATE mapper_dask_chunk
SET state = 'ASSIGNED', worker = %(worker)s, attempts = attempts OPERATOR(pg_catalog.+) 1, error = NULL,
    started_at = pg_catalog.clock_timestamp(), ended_at = NULL
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
  AND state OPERATOR(pg_catalog.<>) 'PROCESSED'
  AND EXISTS (SELECT FROM mapper_dask_run r WHERE r.run_id OPERATOR(pg_catalog.=) %(run_id)s
  AND r.state OPERATOR(pg_catalog.=) 'RUNNING')
RETURNING attempts
