-- Functions by these names that make other rows than they are given, and volatile ones.
SELECT p.proname::pg_catalog.text,
       pg_catalog.bool_or(p.prokind OPERATOR(pg_catalog.=) ANY ('{a,w}') OR p.proretset),
       pg_catalog.bool_or(p.provolatile OPERATOR(pg_catalog.=) 'v')
FROM pg_catalog.pg_proc p
WHERE p.proname OPERATOR(pg_catalog.=) ANY (%(names)s)
  AND (p.prokind OPERATOR(pg_catalog.=) ANY ('{a,w}') OR p.proretset
       OR p.provolatile OPERATOR(pg_catalog.=) 'v')
GROUP BY p.proname
