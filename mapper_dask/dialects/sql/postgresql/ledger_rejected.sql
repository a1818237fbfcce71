-- Rows the run has set aside so far; one chunk at a time adds to them, until this one commits.
SELECT pg_advisory_xact_lock(hashtextextended('mapper_dask reject ' || %(run_id)s, 0));
SELECT coalesce(sum(rows_rejected), 0)::int8 FROM mapper_dask_chunk
WHERE run_id = %(run_id)s AND state = 'PROCESSED'
