-- Every run the ledger knows, the newest first, with its counts.
SELECT r.run_id, r.state, r.plan OPERATOR(pg_catalog.->>) 'target',
       r.plan OPERATOR(pg_catalog.->) 'job' OPERATOR(pg_catalog.->>) 'write_disposition', r.staging,
       pg_catalog.to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       pg_catalog.to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       pg_catalog.count(c.chunk_id),
       pg_catalog.count(*) FILTER (WHERE c.state OPERATOR(pg_catalog.=) 'PROCESSED'),
       pg_catalog.count(*) FILTER (WHERE c.state OPERATOR(pg_catalog.=) 'PROCESSED_WITH_ERROR'),
       coalesce(pg_catalog.sum(c.rows_read), 0)::bigint,
       coalesce(pg_catalog.sum(c.rows_loaded), 0)::bigint,
       coalesce(pg_catalog.sum(c.rows_rejected), 0)::bigint,
       pg_catalog.to_char(greatest(r.started_at, r.ended_at, pg_catalog.max(c.started_at),
                                   pg_catalog.max(c.ended_at))
               AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_run r LEFT JOIN mapper_dask_chunk c ON c.run_id OPERATOR(pg_catalog.=) r.run_id
GROUP BY r.run_id ORDER BY r.started_at DESC, r.run_id
