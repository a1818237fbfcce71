-- End the sessions that hold a chunk and have waited for their clients longer than a lock is waited
-- for: the workers are frozen or gone. A session that works is left alone.
SELECT pg_catalog.pg_terminate_backend(pid)
FROM pg_catalog.pg_stat_activity
WHERE application_name OPERATOR(pg_catalog.~) %(pattern)s
  AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND usename OPERATOR(pg_catalog.=) current_user
  AND wait_event OPERATOR(pg_catalog.=) 'ClientRead'
  AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) greatest(state_change, query_start)
      OPERATOR(pg_catalog.>) pg_catalog.make_interval(secs => %(seconds)s)
