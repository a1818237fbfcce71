-- What a view, a rule or a policy that this transaction has opened holds, and no plan shows: whether
-- it gathers a subquery's rows in an array, and whether it unites rows and keeps one of equal ones.
WITH opened AS (
    SELECT DISTINCT l.relation AS id
    FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
      AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
), trees AS (
    SELECT r.ev_action::pg_catalog.text AS tree
    FROM opened JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) opened.id
    UNION ALL
    SELECT p.polqual::pg_catalog.text
    FROM opened JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) opened.id
)
SELECT coalesce(pg_catalog.bool_or(t.tree OPERATOR(pg_catalog.~) ':subLinkType 6 '), false),
       coalesce(pg_catalog.bool_or(
           t.tree OPERATOR(pg_catalog.~) '\{SETOPERATIONSTMT :op 1 :all false'), false)
FROM trees t
