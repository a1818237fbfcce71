-- Every run the ledger knows, the newest first, with its counts.
SELECT r.run_id, r.state, r.plan->>'target', r.plan->'job'->>'write_disposition', r.staging,
       to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       count(c.chunk_id), count(*) FILTER (WHERE c.state = 'PROCESSED'),
       count(*) FILTER (WHERE c.state = 'PROCESSED_WITH_ERROR'),
       coalesce(sum(c.rows_read), 0)::int8, coalesce(sum(c.rows_loaded), 0)::int8,
       coalesce(sum(c.rows_rejected), 0)::int8,
       to_char(greatest(r.started_at, r.ended_at, max(c.started_at), max(c.ended_at))
               AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_run r LEFT JOIN mapper_dask_chunk c USING (run_id)
GROUP BY r.run_id ORDER BY r.started_at DESC, r.run_id
