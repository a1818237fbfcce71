-- Other sessions that keep a snapshot under a name.
SELECT a.pid FROM pg_catalog.pg_stat_activity a
WHERE a.application_name OPERATOR(pg_catalog.=) %(name)s
  AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
