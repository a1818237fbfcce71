-- End the sessions that work on chunks: of a whole run, or of one chunk; never this one.
SELECT pg_catalog.pg_terminate_backend(pid)
FROM pg_catalog.pg_stat_activity
WHERE application_name OPERATOR(pg_catalog.~) %(pattern)s
  AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND usename OPERATOR(pg_catalog.=) current_user
