-- The latest run that has succeeded with the same fingerprint, this one aside, and when it ended.
SELECT run_id, pg_catalog.to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_run
WHERE fingerprint OPERATOR(pg_catalog.=) %(fingerprint)s AND state OPERATOR(pg_catalog.=) 'SUCCEEDED'
  AND run_id OPERATOR(pg_catalog.<>) %(run_id)s
ORDER BY ended_at DESC, run_id LIMIT 1
