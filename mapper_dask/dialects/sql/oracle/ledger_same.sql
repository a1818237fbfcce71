-- Runs that have succeeded with the same fingerprint, this one aside, and when they ended, the latest first.
SELECT run_id, TO_CHAR(SYS_EXTRACT_UTC(ended_at), 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_run
WHERE fingerprint = :fingerprint AND state = 'SUCCEEDED' AND run_id <> :run_id
ORDER BY ended_at DESC, run_id
