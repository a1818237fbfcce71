-- End the transaction of a read, and keep for the next statement what it has read: the relations on
-- which it holds locks, but for the server's own. No statement in its snapshot would see a change.
SELECT pg_catalog.set_config('mapper_dask.read', (
    SELECT pg_catalog.concat('{', pg_catalog.string_agg(l.relation::pg_catalog.text, ','), '}')
    FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid), false);
COMMIT;
