-- Every run of every flow without its document, the latest first, its times in UTC.
SELECT flow_run_id, name, NULL, directory, state, version,
       pg_catalog.to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       pg_catalog.to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_flow ORDER BY started_at DESC, flow_run_id
