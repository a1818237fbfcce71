-- Every run of every flow without its document, the latest first, its times in UTC.
SELECT flow_run_id, name, NULL, directory, state, version,
       TO_CHAR(SYS_EXTRACT_UTC(started_at), 'YYYY-MM-DD HH24:MI:SS'),
       TO_CHAR(SYS_EXTRACT_UTC(ended_at), 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_flow ORDER BY started_at DESC, flow_run_id
