-- Note why a chunk failed, unless another copy has committed it.
UPDATE mapper_dask_chunk
SET state = 'PROCESSED_WITH_ERROR', rows_read = %(rows_read)s, worker = %(worker)s,
    seconds = %(seconds)s, error = %(error)s, ended_at = pg_catalog.clock_timestamp()
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
  AND state OPERATOR(pg_catalog.<>) 'PROCESSED'
