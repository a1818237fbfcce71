-- What this transaction's queries have read, as the locks of this session show it: all relations, and
-- what hides their writers from it.
SELECT c.oid::bigint, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s
               WHERE s.srrelid OPERATOR(pg_catalog.=) c.oid)
FROM pg_catalog.pg_class c
WHERE c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'm', 'f'])
  AND c.oid OPERATOR(pg_catalog.=) ANY (
      SELECT l.relation FROM pg_catalog.pg_locks l
      WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
        AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
        AND l.database OPERATOR(pg_catalog.=) (
            SELECT d.oid FROM pg_catalog.pg_database d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))
ORDER BY c.relname, c.oid
