-- Rows the run has rejected so far; one chunk at a time adds to them, until this one commits.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
    pg_catalog.concat('mapper_dask reject ', %(run_id)s), 0));
SELECT coalesce(pg_catalog.sum(rows_rejected), 0)::bigint FROM mapper_dask_chunk
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND state OPERATOR(pg_catalog.=) 'PROCESSED'
