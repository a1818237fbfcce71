-- Functions by these names that make other rows than they are given, and volatile ones.
SELECT p.proname::text, bool_or(p.prokind IN ('a', 'w') OR p.proretset), bool_or(p.provolatile = 'v')
FROM pg_proc p
WHERE p.proname = ANY (%(names)s)
  AND (p.prokind IN ('a', 'w') OR p.proretset OR p.provolatile = 'v')
GROUP BY p.proname
