-- Ordered indexes over plain columns: whether one proves a unique, never NULL key, its columns, and
-- whether it is the primary key.
SELECT i.indisunique AND i.indpred IS NULL AND i.indimmediate AND bool_and(a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint n  -- NOT VALID or NO INHERIT: NULLs may stand there
           WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND (NOT n.convalidated OR n.connoinherit)
             AND n.conkey = ARRAY[a.attnum]))
       -- an inheritance parent's index says nothing of its children's rows
       AND (r.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = r.oid)),
       array_agg(a.attname::text ORDER BY k.place),
       i.indisprimary
FROM pg_index i
JOIN pg_class r ON r.oid = i.indrelid
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = %(table_id)s::oid AND i.indisvalid AND NOT (0 = ANY (i.indkey))
GROUP BY r.oid, r.relkind, i.indexrelid, i.indisunique, i.indpred, i.indimmediate, i.indisprimary, i.indnkeyatts
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
