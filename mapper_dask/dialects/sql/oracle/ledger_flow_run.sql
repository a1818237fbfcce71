-- One run of a flow, its times in UTC.
SELECT flow_run_id, name, document, directory, state, version,
       TO_CHAR(SYS_EXTRACT_UTC(started_at), 'YYYY-MM-DD HH24:MI:SS'),
       TO_CHAR(SYS_EXTRACT_UTC(ended_at), 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_flow WHERE flow_run_id = :flow_run_id
