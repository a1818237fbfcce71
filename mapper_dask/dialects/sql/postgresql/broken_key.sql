-- Columns of a table's unique key, or of a partition's, by the name of its index; one that is an
-- expression as SQL writes it.
SELECT coalesce(a.attname::pg_catalog.text, pg_catalog.pg_get_indexdef(i.indexrelid, p.place::integer, true))
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
CROSS JOIN pg_catalog.unnest(i.indkey[0:i.indnkeyatts OPERATOR(pg_catalog.-) 1])
           WITH ORDINALITY AS p(number, place)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
      AND a.attnum OPERATOR(pg_catalog.=) p.number AND p.number OPERATOR(pg_catalog.>) 0
WHERE x.relname::pg_catalog.text OPERATOR(pg_catalog.=) %(constraint)s::pg_catalog.text
  AND i.indisunique
  AND (i.indrelid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
       OR EXISTS (SELECT FROM pg_catalog.pg_partition_tree(%(table)s::pg_catalog.regclass) t
                  WHERE t.relid OPERATOR(pg_catalog.=) i.indrelid::pg_catalog.regclass))
ORDER BY i.indexrelid, p.place
