-- One run of a flow, its times in UTC.
SELECT flow_run_id, name, document, directory, state, version,
       to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_flow WHERE flow_run_id = %(flow_run_id)s
