-- What may keep rows out of a table or remove them: one row a fact. Besides the table its
-- partitions are looked at, and what a view shows.
WITH RECURSIVE family(id, kind) AS (
    SELECT c.oid, c.relkind
    FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT c.oid, c.relkind
    FROM family f
    CROSS JOIN LATERAL (
        SELECT h.inhrelid AS id
        FROM pg_catalog.pg_inherits h
        WHERE h.inhparent OPERATOR(pg_catalog.=) f.id AND f.kind OPERATOR(pg_catalog.=) 'p'
        UNION ALL
        SELECT d.refobjid
        FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.objid OPERATOR(pg_catalog.=) r.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        WHERE r.ev_class OPERATOR(pg_catalog.=) f.id AND f.kind OPERATOR(pg_catalog.=) 'v'
            AND r.ev_type OPERATOR(pg_catalog.=) '1'
    ) AS member
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) member.id
),
root AS (
    SELECT c.oid AS id, c.relkind AS kind
    FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
),
replica AS (
    SELECT pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica' AS so
)
SELECT 'view'::pg_catalog.text AS fact,
       coalesce((SELECT pg_catalog.string_agg(pg_catalog.format('%%I.%%I', n.nspname, c.relname), ', '
                                              ORDER BY n.nspname, c.relname)
                 FROM family f
                 JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.id
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                 WHERE f.kind OPERATOR(pg_catalog.=) ANY ('{r,p,f}')), '') AS name,
       ''::pg_catalog.text AS place,
       -- 8: an INSERT, without a trigger
       pg_catalog.pg_relation_is_updatable(root.id::pg_catalog.regclass, false)
           OPERATOR(pg_catalog.&) 8 AS bits
FROM root
WHERE root.kind OPERATOR(pg_catalog.=) 'v'
UNION ALL
SELECT 'foreign', pg_catalog.format('%%I.%%I', n.nspname, c.relname), '', 0
FROM family f
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.id
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE f.kind OPERATOR(pg_catalog.=) 'f'
UNION ALL
SELECT 'child', pg_catalog.format('%%I.%%I', n.nspname, c.relname), '', 0
FROM root
JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) root.id
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE root.kind OPERATOR(pg_catalog.<>) 'p'
UNION ALL
SELECT 'policy', coalesce(p.polname::pg_catalog.text, 'no policy lets it see any'), '', 0
FROM root
LEFT JOIN pg_catalog.pg_policy p ON p.polrelid OPERATOR(pg_catalog.=) root.id
WHERE pg_catalog.row_security_active(root.id)
UNION ALL
SELECT 'rule', r.rulename::pg_catalog.text, '', r.ev_type::pg_catalog.text::integer
FROM family f
CROSS JOIN root
CROSS JOIN replica
JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) f.id
WHERE r.ev_type OPERATOR(pg_catalog.<>) '1'
    AND (f.id OPERATOR(pg_catalog.=) root.id OR root.kind OPERATOR(pg_catalog.=) 'v')
    AND (r.ev_enabled OPERATOR(pg_catalog.=) 'A'
         OR r.ev_enabled OPERATOR(pg_catalog.=) 'R' AND replica.so
         OR r.ev_enabled OPERATOR(pg_catalog.=) 'O' AND NOT replica.so)
UNION ALL
SELECT 'trigger', t.tgname::pg_catalog.text, pg_catalog.format('%%I.%%I', n.nspname, c.relname),
       t.tgtype OPERATOR(pg_catalog.+) CASE WHEN t.tginitdeferred THEN 256 ELSE 0 END
FROM family f
CROSS JOIN root
CROSS JOIN replica
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) f.id
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_trigger t ON t.tgrelid OPERATOR(pg_catalog.=) f.id
JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
WHERE -- before version 15 a partition's copy of a trigger is internal, as a foreign key's own are
    (NOT t.tgisinternal
     OR p.pronamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid)
    AND (f.id OPERATOR(pg_catalog.=) root.id OR root.kind OPERATOR(pg_catalog.=) 'v'
         OR t.tgtype::integer OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1)
    AND (t.tgenabled OPERATOR(pg_catalog.=) 'A'
         OR t.tgenabled OPERATOR(pg_catalog.=) 'R' AND replica.so
         OR t.tgenabled OPERATOR(pg_catalog.=) 'O' AND NOT replica.so)
UNION ALL
SELECT 'setting', s.name OPERATOR(pg_catalog.||) ' = off', '', 0
FROM (VALUES ('fsync'::pg_catalog.text), ('full_page_writes')) AS s (name)
WHERE NOT pg_catalog.current_setting(s.name)::boolean
ORDER BY 1, 3, 2
