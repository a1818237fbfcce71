-- When each chunk of a run began and ended, in UTC.
SELECT chunk_id, TO_CHAR(SYS_EXTRACT_UTC(started_at), 'YYYY-MM-DD HH24:MI:SS.FF6'),
       TO_CHAR(SYS_EXTRACT_UTC(ended_at), 'YYYY-MM-DD HH24:MI:SS.FF6')
FROM mapper_dask_chunk WHERE run_id = :run_id ORDER BY chunk_id
