-- Who holds connections to this server: runs of this library by their tag, others by their name.
SELECT regexp_replace(coalesce(nullif(application_name, ''), usename::text, '?'),
                      '^(mapper_dask:[^:]+):.*$', '\1') AS holder, count(*)
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datid IS NOT NULL AND usesysid IS NOT NULL
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8
