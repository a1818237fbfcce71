-- Enter a chunk's counts, in the transaction that holds its rows.
UPDATE mapper_dask_chunk
SET state = 'PROCESSED', rows_read = %(rows_read)s, rows_out = %(rows_out)s,
    rows_loaded = %(rows_loaded)s, rows_rejected = %(rows_rejected)s, worker = %(worker)s,
    snapshot = %(snapshot)s, seconds = %(seconds)s, warnings = %(warnings)s, error = NULL,
    ended_at = clock_timestamp()
WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s AND state <> 'PROCESSED'
RETURNING chunk_id
