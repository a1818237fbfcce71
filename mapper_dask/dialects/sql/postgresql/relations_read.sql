-- Tables and views that this transaction has read, by the locks it holds on them: not those of the
-- server itself, and no children whose parents are among them.
WITH held(id) AS (
    SELECT l.relation
    FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
)
SELECT DISTINCT c.oid::bigint,
       pg_catalog.concat(n.nspname, '.', c.relname), c.relkind::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i
               JOIN held p ON p.id OPERATOR(pg_catalog.=) i.inhparent
               WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid)
FROM held h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.id
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
