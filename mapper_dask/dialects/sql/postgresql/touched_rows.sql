-- What this session has done to a table, its partitions or the tables of a view since counters were
-- last flushed, which is never within a transaction; and whether the server counts.
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
)
SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(f.id)), 0)::bigint,
       coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(f.id)), 0)::bigint,
       coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_deleted(f.id)), 0)::bigint,
       pg_catalog.current_setting('track_counts')::boolean
FROM family f
WHERE f.kind OPERATOR(pg_catalog.=) 'r'
