-- When each chunk of a run began and ended, in UTC.
SELECT chunk_id, pg_catalog.to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
       pg_catalog.to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
FROM mapper_dask_chunk WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s ORDER BY chunk_id
