-- Enter a chunk's counts, in the transaction that holds its rows.
UPDATE mapper_dask_chunk
SET state = 'PROCESSED', rows_read = %(rows_read)s, rows_out = %(rows_out)s,
    rows_loaded = %(rows_loaded)s, rows_rejected = %(rows_rejected)s, worker = %(worker)s,
    snapshot = %(snapshot)s, seconds = %(seconds)s, warnings = %(warnings)s, error = NULL,
    ended_at = pg_catalog.clock_timestamp(),
    loaded_by = CASE WHEN NOT %(apart)s THEN pg_catalog.jsonb_build_array(pg_catalog.txid_current()) END
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
  AND state OPERATOR(pg_catalog.<>) 'PROCESSED'
RETURNING chunk_id
