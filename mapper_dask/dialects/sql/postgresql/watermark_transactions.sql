-- Every transaction of another client that is in progress in this database, and every prepared one:
-- each holds a lock on its own number from its first statement on. Sessions in which this library
-- only reads are left out, where they are this login's own.
SELECT l.virtualtransaction, l.pid, a.usename::pg_catalog.text, a.xact_start::pg_catalog.text
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE l.locktype OPERATOR(pg_catalog.=) 'virtualxid'
  AND l.granted
  AND l.virtualxid OPERATOR(pg_catalog.=) l.virtualtransaction
  AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND (a.pid IS NULL OR (  -- one that has only just come is nowhere else yet
      a.usesysid IS NOT NULL  -- the server's own workers have none
      AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
      AND coalesce(a.backend_type, '') OPERATOR(pg_catalog.<>) 'walsender'
      AND NOT coalesce(a.usename OPERATOR(pg_catalog.=) session_user
          AND a.application_name OPERATOR(pg_catalog.~) '^mapper_dask:[^:]+:keeper$', false)))
UNION ALL
SELECT pg_catalog.concat('-1/', p.transaction), NULL, p.owner::pg_catalog.text, NULL
FROM pg_catalog.pg_prepared_xacts p
WHERE p.database OPERATOR(pg_catalog.=) pg_catalog.current_database()
