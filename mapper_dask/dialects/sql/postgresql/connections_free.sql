-- Which server this is, and how many connections are free: on it, for this role, in this database.
WITH client AS (
  SELECT datid, usesysid FROM pg_stat_activity
  WHERE backend_type = 'client backend'
     OR backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL
), me AS (
  SELECT oid, rolname, rolconnlimit FROM pg_roles WHERE rolname = session_user AND NOT rolsuper
), server AS (
  SELECT pg_postmaster_start_time()::text || ' ' || current_setting('port') AS id
)
SELECT id, '' AS part,
  current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0)
    - (SELECT count(*) FROM client)
FROM server
UNION ALL
SELECT id, 'role ' || rolname, rolconnlimit - (SELECT count(*) FROM client WHERE usesysid = me.oid)
FROM server, me WHERE rolconnlimit >= 0
UNION ALL
SELECT id, 'database ' || datname, datconnlimit - (SELECT count(*) FROM client WHERE datid = d.oid)
FROM server, pg_database d
WHERE datname = current_database() AND datconnlimit >= 0 AND EXISTS (SELECT FROM me)
