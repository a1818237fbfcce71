-- GRANTs that this login lacks to load a table and to keep the ledger, each as a statement; in an order
-- in which they can be run.
WITH path AS (
    SELECT n.oid, n.nspname, e.place,
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
                     AND c.relname OPERATOR(pg_catalog.=) 'mapper_dask_run') AS ledger
    FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'),
             '"((?:[^"]|"")*)"|([^",[:space:]]+)', 'g') WITH ORDINALITY e(parts, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=)
         CASE WHEN coalesce(e.parts[1], e.parts[2]) OPERATOR(pg_catalog.=) '$user'
              THEN current_user::pg_catalog.text
              ELSE coalesce(pg_catalog.replace(e.parts[1], '""', '"'), pg_catalog.lower(e.parts[2])) END
), home AS (
    SELECT p.oid, p.nspname, p.ledger FROM path p
    ORDER BY pg_catalog.has_schema_privilege(p.oid, 'USAGE') DESC,  -- others are not looked into
             p.ledger DESC,
             coalesce(p.nspname OPERATOR(pg_catalog.=) current_schema, false) DESC, p.place
    LIMIT 1
), target AS (
    SELECT c.oid, n.oid AS schema_id, n.nspname, c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    LEFT JOIN path p ON p.oid OPERATOR(pg_catalog.=) n.oid
    WHERE c.relname OPERATOR(pg_catalog.=) %(table)s
      AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,f}'::pg_catalog."char"[])
      AND (n.nspname OPERATOR(pg_catalog.=) %(schema)s
           OR %(schema)s::pg_catalog.text IS NULL AND p.place IS NOT NULL)
    ORDER BY p.place LIMIT 1
), lacking(place, rights, thing) AS (
    SELECT 1, 'USAGE', pg_catalog.concat('SCHEMA ', pg_catalog.quote_ident(t.nspname)) FROM target t
    WHERE NOT pg_catalog.has_schema_privilege(t.schema_id, 'USAGE')
    UNION ALL
    SELECT 2, 'CREATE', pg_catalog.concat('SCHEMA ', pg_catalog.quote_ident(t.nspname)) FROM target t
    WHERE %(staged)s AND NOT pg_catalog.has_schema_privilege(t.schema_id, 'CREATE')
    UNION ALL
    SELECT 3, pg_catalog.string_agg(pg_catalog.concat(w.privilege, ' (' OPERATOR(pg_catalog.||) c.names
                                                              OPERATOR(pg_catalog.||) ')'), ', '),
           pg_catalog.concat(pg_catalog.quote_ident(t.nspname), '.', pg_catalog.quote_ident(t.relname))
    FROM target t
    CROSS JOIN LATERAL (
        SELECT r.privilege,
               CASE WHEN r.privilege OPERATOR(pg_catalog.=) 'DELETE' THEN true
                    WHEN r.privilege OPERATOR(pg_catalog.=) 'SELECT' THEN %(staged)s  -- CREATE TABLE … LIKE
                    WHEN r.privilege OPERATOR(pg_catalog.=) 'UPDATE'                  -- LOCK TABLE
                    THEN NOT pg_catalog.has_table_privilege(t.oid, 'UPDATE, DELETE, TRUNCATE')
                    ELSE false END AS whole,
               CASE WHEN r.privilege OPERATOR(pg_catalog.=) 'DELETE' THEN false
                    ELSE pg_catalog.has_any_column_privilege(t.oid, r.privilege) END AS any_part
        FROM pg_catalog.unnest(%(rights)s::pg_catalog.text[]) r(privilege)
        UNION ALL
        -- a table that others refer to is replaced by its key: rows that stay are changed in their place
        SELECT 'UPDATE', EXISTS (
                   SELECT FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.>) 0
                     AND NOT a.attisdropped AND a.attgenerated OPERATOR(pg_catalog.=) ''
                     AND NOT EXISTS (
                         SELECT FROM pg_catalog.pg_index i
                         WHERE i.indrelid OPERATOR(pg_catalog.=) t.oid AND i.indisunique
                           AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey))
                     AND NOT pg_catalog.has_column_privilege(t.oid, a.attnum, 'UPDATE')), true
        WHERE 'DELETE' OPERATOR(pg_catalog.=) ANY (%(rights)s::pg_catalog.text[])
          AND EXISTS (SELECT FROM pg_catalog.pg_constraint f
                      WHERE f.contype OPERATOR(pg_catalog.=) 'f' AND f.confrelid OPERATOR(pg_catalog.=) t.oid
                        AND f.conrelid OPERATOR(pg_catalog.<>) t.oid)
    ) w
    CROSS JOIN LATERAL (
        -- Columns that are filled and may not be, where the role has the right on others; not those of a
        -- key, by which a merge finds rows. Without any, or where one takes the table, that one is reported.
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) AS names
        FROM pg_catalog.pg_attribute a
        WHERE %(known)s AND NOT w.whole AND w.any_part
          AND a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.>) 0
          AND NOT a.attisdropped
          AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[])
          AND (w.privilege OPERATOR(pg_catalog.<>) 'UPDATE' OR NOT EXISTS (
                   SELECT FROM pg_catalog.pg_index i
                   WHERE i.indrelid OPERATOR(pg_catalog.=) t.oid AND i.indisunique
                     AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey)))
          AND CASE WHEN w.privilege OPERATOR(pg_catalog.=) ANY ('{INSERT,UPDATE}')
                   THEN NOT pg_catalog.has_column_privilege(t.oid, a.attnum, w.privilege) END
    ) c
    WHERE NOT pg_catalog.has_table_privilege(t.oid, w.privilege)
      AND (w.whole OR NOT w.any_part OR c.names IS NOT NULL)
    GROUP BY t.nspname, t.relname
    UNION ALL
    SELECT DISTINCT 4, 'USAGE', pg_catalog.concat('SEQUENCE ', pg_catalog.quote_ident(n.nspname), '.',
                                         pg_catalog.quote_ident(s.relname))
    FROM target t
    JOIN pg_catalog.pg_attrdef f ON f.adrelid OPERATOR(pg_catalog.=) t.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) f.adrelid
                                  AND a.attnum OPERATOR(pg_catalog.=) f.adnum
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) f.oid
         AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) d.refobjid
                              AND s.relkind OPERATOR(pg_catalog.=) 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.relnamespace
    WHERE %(known)s AND a.attname OPERATOR(pg_catalog.<>) ALL (%(names)s::pg_catalog.text[])
      AND CASE WHEN s.relkind OPERATOR(pg_catalog.=) 'S'  -- others are no sequences, and asked first
               THEN NOT pg_catalog.has_sequence_privilege(s.oid, 'USAGE, UPDATE') ELSE false END
    UNION ALL
    -- A staging table is one of the login's own, of the same types.
    SELECT 4, 'USAGE', pg_catalog.concat('TYPE ', pg_catalog.quote_ident(n.nspname), '.',
                                         pg_catalog.quote_ident(e.typname))
    FROM target t
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid
     AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) a.atttypid
    JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=)
         CASE WHEN y.typcategory OPERATOR(pg_catalog.=) 'A' AND y.typelem OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
              THEN y.typelem ELSE y.oid END
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.typnamespace
    WHERE %(staged)s AND NOT pg_catalog.has_type_privilege(e.oid, 'USAGE')
    UNION ALL
    -- Functions that run for each row, as whoever loads it: defaults, computed columns, checks, indexes.
    SELECT 4, 'EXECUTE', pg_catalog.concat('FUNCTION ', pg_catalog.quote_ident(n.nspname), '.',
                                           pg_catalog.quote_ident(p.proname), '(', g.taken, ')')
    FROM target t
    CROSS JOIN LATERAL (
        SELECT f.oid AS id, 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid AS class
        FROM pg_catalog.pg_attrdef f
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) f.adrelid
                                      AND a.attnum OPERATOR(pg_catalog.=) f.adnum
        WHERE f.adrelid OPERATOR(pg_catalog.=) t.oid
          AND (a.attgenerated OPERATOR(pg_catalog.<>) ''
               OR %(known)s AND a.attname OPERATOR(pg_catalog.<>) ALL (%(names)s::pg_catalog.text[]))
        UNION ALL
        SELECT k.oid, 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
        FROM pg_catalog.pg_constraint k
        WHERE k.contype OPERATOR(pg_catalog.=) 'c'
          AND (k.conrelid OPERATOR(pg_catalog.=) t.oid
               OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid AND NOT a.attisdropped
                            AND a.atttypid OPERATOR(pg_catalog.=) k.contypid))
        UNION ALL
        SELECT i.indexrelid, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) t.oid
    ) o
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) o.id AND d.classid OPERATOR(pg_catalog.=) o.class
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
    JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.refobjid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    CROSS JOIN LATERAL (
        SELECT pg_catalog.string_agg(
                   CASE WHEN tn.nspname OPERATOR(pg_catalog.=) 'pg_catalog' THEN pg_catalog.format_type(y.oid, NULL)
                        ELSE pg_catalog.concat(pg_catalog.quote_ident(tn.nspname), '.',
                                               pg_catalog.quote_ident(y.typname)) END,
                   ', ' ORDER BY a.place) AS taken
        FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a(id, place)
        JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) a.id
        JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) y.typnamespace
    ) g
    WHERE NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
    UNION ALL
    SELECT 5, 'USAGE', pg_catalog.concat('SCHEMA ', pg_catalog.quote_ident(h.nspname)) FROM home h
    WHERE NOT pg_catalog.has_schema_privilege(h.oid, 'USAGE')
    UNION ALL
    SELECT 6, 'CREATE', pg_catalog.concat('SCHEMA ', pg_catalog.quote_ident(h.nspname)) FROM home h
    WHERE NOT h.ledger AND NOT pg_catalog.has_schema_privilege(h.oid, 'CREATE')
    UNION ALL
    SELECT 7, pg_catalog.string_agg(w.privilege, ', '),
           pg_catalog.concat(pg_catalog.quote_ident(h.nspname), '.', pg_catalog.quote_ident(c.relname))
    FROM home h
    JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) h.oid
    CROSS JOIN pg_catalog.unnest('{SELECT,INSERT,UPDATE}'::pg_catalog.text[]) w(privilege)
    WHERE h.ledger
      AND CASE WHEN c.relname OPERATOR(pg_catalog.=) 'mapper_dask_reject'
               THEN %(rejects)s AND w.privilege OPERATOR(pg_catalog.<>) 'UPDATE'
               ELSE c.relname OPERATOR(pg_catalog.=) ANY ('{mapper_dask_run,mapper_dask_chunk}') END
      AND NOT pg_catalog.has_table_privilege(c.oid, w.privilege)
    GROUP BY h.nspname, c.relname
)
SELECT DISTINCT ON (place, thing) pg_catalog.concat('GRANT ', rights, ' ON ', thing, ' TO ',
                                                    pg_catalog.quote_ident(current_user))
FROM lacking ORDER BY place, thing
