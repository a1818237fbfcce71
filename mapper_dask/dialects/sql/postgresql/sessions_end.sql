-- End the sessions that work on chunks: of a whole run, or of one chunk; never this one.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE application_name ~ %(pattern)s AND pid <> pg_backend_pid() AND usename = current_user
