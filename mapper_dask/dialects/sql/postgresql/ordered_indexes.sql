-- Ordered indexes over plain columns: whether one proves a unique, never NULL key, its columns, and
-- whether it is the primary key.
SELECT i.indisunique AND i.indpred IS NULL AND i.indimmediate
       AND pg_catalog.bool_and(a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint n  -- NOT VALID or NO INHERIT: the column may hold NULLs
           WHERE n.conrelid OPERATOR(pg_catalog.=) a.attrelid
             AND n.contype OPERATOR(pg_catalog.=) 'n' AND (NOT n.convalidated OR n.connoinherit)
             AND n.conkey OPERATOR(pg_catalog.=) ARRAY[a.attnum]))
       -- it goes by the equality that ORDER BY and a comparison with the column go by
       AND pg_catalog.bool_and((o.opcdefault OR o.opcname OPERATOR(pg_catalog.=) ANY (
           '{varchar_ops,text_pattern_ops,varchar_pattern_ops,bpchar_pattern_ops}'::pg_catalog.name[]))
         AND (i.indcollation[k.place OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.=) a.attcollation
              OR coalesce(l.collisdeterministic, true)))
       -- an inheritance parent's index says nothing of its children's rows
       AND (r.relkind OPERATOR(pg_catalog.=) 'p' OR NOT EXISTS (
           SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent OPERATOR(pg_catalog.=) r.oid)),
       pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.place),
       i.indisprimary
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) i.indrelid
JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) x.relam
  AND m.amname OPERATOR(pg_catalog.=) 'btree'
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey[0:i.indnkeyatts OPERATOR(pg_catalog.-) 1])
     WITH ORDINALITY AS k(number, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
  AND a.attnum OPERATOR(pg_catalog.=) k.number
JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) i.indclass[k.place OPERATOR(pg_catalog.-) 1]
LEFT JOIN pg_catalog.pg_collation l ON l.oid OPERATOR(pg_catalog.=) a.attcollation
WHERE i.indrelid OPERATOR(pg_catalog.=) %(table_id)s::pg_catalog.oid AND i.indisvalid
  AND NOT (0 OPERATOR(pg_catalog.=) ANY (i.indkey))
GROUP BY r.oid, r.relkind, i.indexrelid, i.indisunique, i.indpred, i.indimmediate,
         i.indisprimary, i.indnkeyatts
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
