-- What else a run relies on: queries of views, children, and types with all they are made of: a kind,
-- the relation, a name, a definition that a person reads, and a mark that identifies it.
WITH RECURSIVE relation(id) AS (
    SELECT c.oid FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) ANY (%(relations)s::pg_catalog.oid[])
),
attribute AS (
    SELECT a.atttypid FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) r.id
    WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
),
kind(id) AS (  -- those below 16384 are the server's own, and never change
    SELECT a.atttypid FROM attribute a WHERE a.atttypid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    UNION
    SELECT t.id FROM pg_catalog.unnest(%(types)s::pg_catalog.oid[]) AS t(id)
    UNION
    SELECT part.id
    FROM kind k
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) k.id
    CROSS JOIN LATERAL (
        SELECT t.typbasetype UNION ALL SELECT t.typelem
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid OPERATOR(pg_catalog.=) t.oid
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid AND a.attnum OPERATOR(pg_catalog.>) 0
          AND NOT a.attisdropped
    ) AS part(id)
    WHERE part.id OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
),
child(root, id, entry) AS (
    SELECT r.id, i.inhrelid, pg_catalog.concat(i.xmin, ' ', i)
    FROM relation r
    JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) r.id
    UNION
    SELECT c.root, i.inhrelid, pg_catalog.concat(i.xmin, ' ', i)
    FROM child c
    JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) c.id
)
SELECT 'view', pg_catalog.concat(n.nspname, '.', c.relname), '', '',
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(w.ev_action::pg_catalog.text, 'UTF8')), 'hex')
FROM relation r
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.id
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) c.oid AND w.ev_type OPERATOR(pg_catalog.=) '1'
WHERE c.relkind OPERATOR(pg_catalog.=) 'v'
UNION ALL
SELECT 'partitions', pg_catalog.concat(n.nspname, '.', c.relname), '', pg_catalog.count(*)::pg_catalog.text,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
           pg_catalog.string_agg(h.entry, ',' ORDER BY h.id, h.entry), 'UTF8')), 'hex')
FROM child h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.root
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
GROUP BY n.nspname, c.relname
UNION ALL
SELECT 'type', '', pg_catalog.format_type(t.oid, NULL),
       CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'e' THEN pg_catalog.concat('enum of ', (
                SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                FROM pg_catalog.pg_enum e WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid))
            WHEN t.typtype OPERATOR(pg_catalog.=) 'd' THEN pg_catalog.concat_ws(' ',
                'domain over', pg_catalog.format_type(t.typbasetype, t.typtypmod),
                CASE WHEN t.typnotnull THEN 'NOT NULL' END, (
                SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.oid)
                FROM pg_catalog.pg_constraint k WHERE k.contypid OPERATOR(pg_catalog.=) t.oid))
            WHEN t.typtype OPERATOR(pg_catalog.=) 'c' THEN pg_catalog.concat('row of ', (
                SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a
                WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid
                  AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped))
            WHEN t.typtype OPERATOR(pg_catalog.=) 'r' THEN pg_catalog.concat('range of ', (
                SELECT pg_catalog.format_type(g.rngsubtype, NULL)
                FROM pg_catalog.pg_range g WHERE g.rngtypid OPERATOR(pg_catalog.=) t.oid))
            ELSE 'base type' END,
       pg_catalog.concat_ws(' ', t.oid, t.typbasetype, t.typelem, t.typinput::pg_catalog.oid)
FROM kind k
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) k.id
