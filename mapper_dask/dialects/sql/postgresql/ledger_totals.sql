-- Chunks of a run that are not committed, and the rows of those that are.
SELECT pg_catalog.count(*) FILTER (WHERE state OPERATOR(pg_catalog.<>) 'PROCESSED'),
       coalesce(pg_catalog.sum(rows_loaded) FILTER (
           WHERE state OPERATOR(pg_catalog.=) 'PROCESSED'), 0)::bigint
FROM mapper_dask_chunk WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
