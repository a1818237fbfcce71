-- End the sessions that hold a chunk and have waited for their clients longer than a lock is waited
-- for: the workers are frozen or gone. A session that works is left alone.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE application_name ~ %(pattern)s AND pid <> pg_backend_pid() AND usename = current_user
  AND wait_event = 'ClientRead'
  AND clock_timestamp() - greatest(state_change, query_start) > make_interval(secs => %(seconds)s)
