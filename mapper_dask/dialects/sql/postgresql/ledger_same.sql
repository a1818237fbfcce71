-- Other runs whose rows of the same query are in the same table: state, when and rows, the latest first.
SELECT r.run_id, r.state,
       pg_catalog.to_char(coalesce(r.ended_at, r.started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       pg_catalog.sum(c.rows_loaded)::bigint
FROM mapper_dask_run r JOIN mapper_dask_chunk c
  ON c.run_id OPERATOR(pg_catalog.=) r.run_id AND c.state OPERATOR(pg_catalog.=) 'PROCESSED'
WHERE (r.fingerprint OPERATOR(pg_catalog.=) %(fingerprint)s
       OR r.plan OPERATOR(pg_catalog.->>) 'moves' OPERATOR(pg_catalog.=) %(moves)s)
  AND r.run_id OPERATOR(pg_catalog.<>) %(run_id)s
  AND (r.state OPERATOR(pg_catalog.=) 'SUCCEEDED'
       OR r.staging IS NULL AND r.state OPERATOR(pg_catalog.<>) 'DISCARDED')
GROUP BY r.run_id HAVING pg_catalog.sum(c.rows_loaded) OPERATOR(pg_catalog.>) 0
ORDER BY coalesce(r.ended_at, r.started_at) DESC, r.run_id LIMIT 5
