-- Chunks of a run that are not committed, and the rows of those that are.
SELECT count(*) FILTER (WHERE state <> 'PROCESSED'),
       coalesce(sum(rows_loaded) FILTER (WHERE state = 'PROCESSED'), 0)::int8
FROM mapper_dask_chunk WHERE run_id = %(run_id)s
