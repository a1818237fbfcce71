-- Connections to this server, counted by their holder: runs of this library by their tag, others by their name.
SELECT pg_catalog.regexp_replace(
         coalesce(CASE WHEN application_name OPERATOR(pg_catalog.<>) '' THEN application_name END,
                  usename::pg_catalog.text, '?'),
         '^(mapper_dask:[^:]+):.*$', '\1') AS holder, pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity
WHERE pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND datid IS NOT NULL AND usesysid IS NOT NULL
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8
