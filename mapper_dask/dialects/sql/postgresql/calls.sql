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
), marked AS (  -- whether one holds what no plan shows: a list of values, a LIMIT, a frame's bounds
    SELECT trees.tree, trees.tree OPERATOR(pg_catalog.~)
        ':(limitOffset|limitCount|startOffset|endOffset) \{|:rtekind 5 ' AS hides
    FROM trees
), numbers AS (
    SELECT m.found[1] AS kind, m.found[2]::pg_catalog.oid AS id, marked.hides
    FROM marked
    CROSS JOIN LATERAL pg_catalog.regexp_matches(
        marked.tree, ':(funcid|aggfnoid|winfnoid|opno) ([0-9]+)', 'g') AS m(found)
), hidden AS (
    SELECT n.id, n.hides FROM numbers n WHERE n.kind OPERATOR(pg_catalog.<>) 'opno'
    UNION
    SELECT o.oprcode::pg_catalog.oid, n.hides
    FROM numbers n JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) n.id
    WHERE n.kind OPERATOR(pg_catalog.=) 'opno'
), called AS (
    SELECT p.oid AS id, true AS named, false AS unseen
    FROM pg_catalog.pg_proc p WHERE p.proname OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.name[])
    UNION ALL
    SELECT o.oprcode::pg_catalog.oid, false, false  -- of users' operators
    FROM pg_catalog.pg_operator o
    WHERE o.oprname OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.name[])
      AND o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    UNION ALL
    SELECT hidden.id, false, hidden.hides FROM hidden
), judged AS (
    SELECT p.proname, p.prokind, p.proretset, p.provolatile, p.prosecdef, called.named,
           called.unseen, p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid AS native,
           -- a body in SQL, which is put in its place: with what is read off as a time there, with
           -- what no plan shows, or with calls of others like it
           p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
               AND p.prolang OPERATOR(pg_catalog.=) 14::pg_catalog.oid
               AND (p.prosrc OPERATOR(pg_catalog.=) ''
                    OR p.prosrc OPERATOR(pg_catalog.~*) 'now|today|tomorrow|yesterday|\\|&|\mvalues\M|\mlimit\M|\moffset\M|\mfetch\M|\marray\M|\munion\M|\mover\M'
                    OR EXISTS (
                        SELECT FROM pg_catalog.pg_proc inner_one
                        WHERE inner_one.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
                          AND inner_one.provolatile OPERATOR(pg_catalog.<>) 'i'
                          AND inner_one.oid OPERATOR(pg_catalog.<>) p.oid
                          AND pg_catalog.strpos(pg_catalog.lower(p.prosrc),
                              pg_catalog.lower(inner_one.proname::pg_catalog.text))
                              OPERATOR(pg_catalog.>) 0
                    )) AS opaque,
           p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
               OR p.prolang OPERATOR(pg_catalog.=) 13::pg_catalog.oid AS trusted,
           p.prokind OPERATOR(pg_catalog.=) ANY ('{a,w}'::pg_catalog."char"[]) AS folds
    FROM called JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) called.id
)
SELECT j.proname::pg_catalog.text,
       pg_catalog.bool_or(j.named AND (j.folds OR j.proretset)),
       pg_catalog.bool_or(j.provolatile OPERATOR(pg_catalog.=) 'v'),
       pg_catalog.bool_and(j.trusted),  -- the database's own, or in C: its administrator trusts those
       pg_catalog.bool_or(j.prosecdef),
       -- a user's, that may read any table or fold rows in any way
       pg_catalog.bool_or(NOT j.native
           AND (j.folds OR j.provolatile OPERATOR(pg_catalog.<>) 'i')),
       pg_catalog.bool_or(j.native AND (j.named OR j.unseen) AND j.provolatile OPERATOR(pg_catalog.=) 's'),
       pg_catalog.bool_or(j.named AND j.opaque)
FROM judged j
WHERE (j.named AND (j.folds OR j.proretset)) OR j.prosecdef
   OR j.provolatile OPERATOR(pg_catalog.=) 'v'
   OR (j.provolatile OPERATOR(pg_catalog.=) 's' AND (j.named OR j.unseen OR NOT j.native))
GROUP BY j.proname
UNION ALL  -- a view's words for the time, where no plan shows them
SELECT DISTINCT 'current_date', false, false, true, false, false, true, false
FROM marked WHERE marked.hides AND marked.tree OPERATOR(pg_catalog.~) '\{SQLVALUEFUNCTION :op [0-8] '
ORDER BY 1
