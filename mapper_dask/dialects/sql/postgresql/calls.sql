-- Functions that matter to a plan, by these names and in the views this transaction has opened.
WITH opened AS (
    SELECT DISTINCT l.relation AS id
    FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
), trees AS (  -- what a view, a rule and a policy are made of, with the numbers of what they call
    SELECT r.ev_action::pg_catalog.text AS tree
    FROM opened JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) opened.id
    UNION ALL
    SELECT p.polqual::pg_catalog.text
    FROM opened JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) opened.id
), numbers AS (
    SELECT m.found[1] AS kind, m.found[2]::pg_catalog.oid AS id
    FROM trees
    CROSS JOIN LATERAL pg_catalog.regexp_matches(
        trees.tree, ':(funcid|aggfnoid|winfnoid|opno) ([0-9]+)', 'g') AS m(found)
), hidden AS (
    SELECT n.id FROM numbers n WHERE n.kind OPERATOR(pg_catalog.<>) 'opno'
    UNION
    SELECT o.oprcode::pg_catalog.oid
    FROM numbers n JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) n.id
    WHERE n.kind OPERATOR(pg_catalog.=) 'opno'
), called AS (
    SELECT p.oid AS id, true AS named
    FROM pg_catalog.pg_proc p WHERE p.proname OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.name[])
    UNION ALL
    SELECT o.oprcode::pg_catalog.oid, false  -- of operators that somebody made
    FROM pg_catalog.pg_operator o
    WHERE o.oprname OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.name[])
      AND o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    UNION ALL
    SELECT hidden.id, false FROM hidden
), judged AS (
    SELECT p.proname, p.prokind, p.proretset, p.provolatile, p.prosecdef, called.named,
           p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid AS native,
           p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
               OR p.prolang OPERATOR(pg_catalog.=) 13::pg_catalog.oid AS trusted,
           p.prokind OPERATOR(pg_catalog.=) ANY ('{a,w}'::pg_catalog."char"[]) AS folds
    FROM called JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) called.id
)
SELECT j.proname::pg_catalog.text,
       pg_catalog.bool_or(j.named AND (j.folds OR j.proretset)),
       pg_catalog.bool_or(j.provolatile OPERATOR(pg_catalog.=) 'v'),
       pg_catalog.bool_and(j.trusted),  -- the database's own, or in C by whom its administrator trusts
       pg_catalog.bool_or(j.prosecdef),
       -- somebody's own that reads what it likes, or adds rows up as it likes
       pg_catalog.bool_or(NOT j.native
           AND (j.folds OR j.provolatile OPERATOR(pg_catalog.<>) 'i')),
       pg_catalog.bool_or(j.native AND j.named AND j.provolatile OPERATOR(pg_catalog.=) 's')
FROM judged j
WHERE (j.named AND (j.folds OR j.proretset)) OR j.prosecdef
   OR j.provolatile OPERATOR(pg_catalog.=) 'v'
   OR (j.provolatile OPERATOR(pg_catalog.=) 's' AND (j.named OR NOT j.native))
GROUP BY j.proname
ORDER BY j.proname
