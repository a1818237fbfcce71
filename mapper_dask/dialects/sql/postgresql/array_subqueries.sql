-- Whether a view, a rule or a policy that this transaction has opened gathers a subquery's rows in an
-- array: its tree says so, which before version 17 no plan does.
WITH opened AS (
    SELECT DISTINCT l.relation AS id
    FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
      AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
)
SELECT EXISTS (
    SELECT FROM opened JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) opened.id
    WHERE r.ev_action::pg_catalog.text OPERATOR(pg_catalog.~) ':subLinkType 6 '
    UNION ALL
    SELECT FROM opened JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) opened.id
    WHERE p.polqual::pg_catalog.text OPERATOR(pg_catalog.~) ':subLinkType 6 '
)
