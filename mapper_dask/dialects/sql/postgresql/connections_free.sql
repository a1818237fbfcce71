-- Which server this is, and how many connections are free: on it, for this role, in this database.
WITH client AS (
  SELECT datid, usesysid FROM pg_catalog.pg_stat_activity
  WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'
     OR backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL
), me AS (
  SELECT oid, rolname, rolconnlimit FROM pg_catalog.pg_roles
  WHERE rolname OPERATOR(pg_catalog.=) session_user AND NOT rolsuper
), server AS (
  SELECT pg_catalog.concat(pg_catalog.pg_postmaster_start_time(), ' ',
                           pg_catalog.current_setting('port')) AS id
)
SELECT id, '' AS part,
  pg_catalog.current_setting('max_connections')::integer
    OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::integer
    OPERATOR(pg_catalog.-)
      CASE WHEN pg_catalog.current_setting('reserved_connections', true) OPERATOR(pg_catalog.<>) ''
           THEN pg_catalog.current_setting('reserved_connections', true)::integer ELSE 0 END
    OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM client)
FROM server
UNION ALL
SELECT id, pg_catalog.concat('role ', rolname), rolconnlimit OPERATOR(pg_catalog.-) (
    SELECT pg_catalog.count(*) FROM client WHERE usesysid OPERATOR(pg_catalog.=) me.oid)
FROM server, me WHERE rolconnlimit OPERATOR(pg_catalog.>=) 0
UNION ALL
SELECT id, pg_catalog.concat('database ', datname), datconnlimit OPERATOR(pg_catalog.-) (
    SELECT pg_catalog.count(*) FROM client WHERE datid OPERATOR(pg_catalog.=) d.oid)
FROM server, pg_catalog.pg_database d
WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  AND datconnlimit OPERATOR(pg_catalog.>=) 0 AND EXISTS (SELECT FROM me)
