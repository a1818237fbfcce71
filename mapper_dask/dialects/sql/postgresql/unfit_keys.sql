-- Unique keys of a table by which no row can be found for certain: the index, its columns as SQL
-- writes them, their names (NULL where one is an expression), why, of what, and what mends it.
WITH keys AS (
    SELECT i.indexrelid AS id, x.relname AS index_name, n.nspname AS place, r.relname AS name,
           k.conname, k.contype, i.indimmediate, i.indisvalid, i.indpred IS NOT NULL AS partial,
           0 OPERATOR(pg_catalog.=) ANY (i.indkey) AS computed,
           m.amname OPERATOR(pg_catalog.<>) 'btree' AS timed,
           r.relkind OPERATOR(pg_catalog.<>) 'p' AND EXISTS (
               SELECT FROM pg_catalog.pg_inherits h
               WHERE h.inhparent OPERATOR(pg_catalog.=) r.oid) AS inherited,
           pg_catalog.strpos(pg_catalog.pg_get_indexdef(i.indexrelid), 'NULLS NOT DISTINCT')
               OPERATOR(pg_catalog.>) 0 AS nulls_alike,
           c.columns, c.names, c.nullable, c.to_close
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) r.relnamespace
    JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) x.relam
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid OPERATOR(pg_catalog.=) i.indexrelid
      AND k.conrelid OPERATOR(pg_catalog.=) i.indrelid
      AND k.contype OPERATOR(pg_catalog.=) ANY ('{p,u}')
    CROSS JOIN LATERAL (
        SELECT pg_catalog.string_agg(
                   pg_catalog.pg_get_indexdef(i.indexrelid, p.place::integer, true), ', '
                   ORDER BY p.place) AS columns,
               pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY p.place) AS names,
               pg_catalog.string_agg(a.attname::pg_catalog.text, ', ' ORDER BY p.place)
                   FILTER (WHERE NOT a.attnotnull) AS nullable,
               pg_catalog.string_agg(
                   pg_catalog.format('ALTER COLUMN %%I SET NOT NULL', a.attname), ', '
                   ORDER BY p.place) FILTER (WHERE NOT a.attnotnull) AS to_close
        FROM pg_catalog.unnest(i.indkey[0:i.indnkeyatts OPERATOR(pg_catalog.-) 1])
             WITH ORDINALITY AS p(number, place)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
          AND a.attnum OPERATOR(pg_catalog.=) p.number AND p.number OPERATOR(pg_catalog.>) 0
    ) c
    WHERE i.indrelid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
      AND (i.indisunique OR k.contype IS NOT NULL)
)
SELECT index_name::pg_catalog.text, columns, CASE WHEN computed THEN NULL ELSE names END,
       CASE WHEN computed THEN 'computed' WHEN partial THEN 'partial'
            WHEN timed THEN 'overlaps' WHEN NOT indimmediate THEN 'deferrable'
            WHEN NOT indisvalid THEN 'invalid' WHEN inherited THEN 'inherited'
            ELSE 'nullable' END,
       CASE WHEN nullable IS NULL THEN ''
            WHEN nulls_alike THEN nullable OPERATOR(pg_catalog.||) ' (NULLS NOT DISTINCT or not)'
            ELSE nullable END,
       CASE WHEN computed OR inherited THEN '' ELSE
            CASE WHEN to_close IS NULL THEN ''
                 ELSE pg_catalog.format('ALTER TABLE %%I.%%I %%s', place, name, to_close) END
            OPERATOR(pg_catalog.||)
            CASE WHEN to_close IS NULL OR (indimmediate AND indisvalid AND NOT partial AND NOT timed)
                 THEN '' ELSE '; ' END
            OPERATOR(pg_catalog.||)
            CASE WHEN partial OR timed
                 THEN pg_catalog.format('CREATE UNIQUE INDEX ON %%I.%%I (%%s)', place, name, columns)
                 WHEN NOT indimmediate
                 THEN pg_catalog.format('ALTER TABLE %%I.%%I DROP CONSTRAINT %%I, ADD CONSTRAINT %%I %%s (%%s)',
                                        place, name, conname, conname,
                                        CASE WHEN contype OPERATOR(pg_catalog.=) 'p'
                                             THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, columns)
                 WHEN NOT indisvalid THEN pg_catalog.format('REINDEX INDEX %%I.%%I', place, index_name)
                 ELSE '' END END
FROM keys
WHERE computed OR partial OR timed OR inherited OR NOT indimmediate OR NOT indisvalid
   OR nullable IS NOT NULL
ORDER BY id
