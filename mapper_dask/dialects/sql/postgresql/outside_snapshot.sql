-- Why a query gives other rows in another statement, though no function of its text does: it reads
-- what no snapshot holds, or casts by a user's function. At most one row.
SELECT 'it reads the sequence ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(c.relname::pg_catalog.text)
    OPERATOR(pg_catalog.||) ', which is in no snapshot'
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
  AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  AND c.relkind OPERATOR(pg_catalog.=) 'S'
UNION ALL
SELECT 'casts from ' OPERATOR(pg_catalog.||) pg_catalog.format_type(k.castsource, NULL)
    OPERATOR(pg_catalog.||) ' to ' OPERATOR(pg_catalog.||) pg_catalog.format_type(k.casttarget, NULL)
    OPERATOR(pg_catalog.||) ' go by ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(p.proname::pg_catalog.text)
    OPERATOR(pg_catalog.||) '(), which is not IMMUTABLE, and which no plan shows'
FROM pg_catalog.pg_cast k
JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) k.castfunc
WHERE k.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
  AND p.provolatile OPERATOR(pg_catalog.<>) 'i'
ORDER BY 1
LIMIT 1
