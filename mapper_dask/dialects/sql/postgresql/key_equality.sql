-- How a unique key's columns are compared: by which operator and collation of its index, and whether
-- equal values are always written alike (a numeric's 1.0 and 1.00 are not).
SELECT a.attname::pg_catalog.text,
       pg_catalog.format('OPERATOR(%%I.%%s)', n.nspname, o.oprname),
       CASE WHEN l.oid IS NULL THEN '' ELSE pg_catalog.format(' COLLATE %%I.%%I', m.nspname, l.collname) END,
       EXISTS (
           SELECT FROM pg_catalog.pg_amproc q
           JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) q.amproc::pg_catalog.oid
           WHERE q.amprocfamily OPERATOR(pg_catalog.=) c.opcfamily
             AND q.amproclefttype OPERATOR(pg_catalog.=) c.opcintype
             AND q.amprocrighttype OPERATOR(pg_catalog.=) c.opcintype
             AND q.amprocnum OPERATOR(pg_catalog.=) 4::smallint
             AND (f.proname OPERATOR(pg_catalog.=) 'btequalimage'
                  OR f.proname OPERATOR(pg_catalog.=) 'btvarstrequalimage'
                     AND coalesce(d.collisdeterministic, true))
       ) AND NOT (c.opcintype OPERATOR(pg_catalog.=) 'pg_catalog.bpchar'::pg_catalog.regtype::pg_catalog.oid
                  AND a.atttypmod OPERATOR(pg_catalog.<) 0)
FROM (
    SELECT i.*
    FROM pg_catalog.pg_index i
    WHERE i.indrelid OPERATOR(pg_catalog.=) %(table)s::pg_catalog.regclass::pg_catalog.oid
      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
      AND i.indnkeyatts OPERATOR(pg_catalog.=) pg_catalog.cardinality(%(key)s::pg_catalog.text[])
      AND NOT EXISTS (
          SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts OPERATOR(pg_catalog.-) 1) AS g (place)
          WHERE NOT EXISTS (
              SELECT FROM pg_catalog.pg_attribute b
              WHERE b.attrelid OPERATOR(pg_catalog.=) i.indrelid
                AND b.attnum OPERATOR(pg_catalog.=) i.indkey[g.place]
                AND b.attname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%(key)s::pg_catalog.text[])))
    ORDER BY i.indisprimary DESC, i.indexrelid
    LIMIT 1
) AS i
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts OPERATOR(pg_catalog.-) 1) AS g (place)
JOIN pg_catalog.pg_attribute a
    ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[g.place]
JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) i.indclass[g.place]
JOIN pg_catalog.pg_amop p
    ON p.amopfamily OPERATOR(pg_catalog.=) c.opcfamily
    AND p.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
    AND p.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
    AND p.amopstrategy OPERATOR(pg_catalog.=) 3::smallint
JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) p.amopopr
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
LEFT JOIN pg_catalog.pg_collation d ON d.oid OPERATOR(pg_catalog.=) i.indcollation[g.place]
LEFT JOIN pg_catalog.pg_collation l
    ON l.oid OPERATOR(pg_catalog.=) d.oid AND l.oid OPERATOR(pg_catalog.<>) a.attcollation
LEFT JOIN pg_catalog.pg_namespace m ON m.oid OPERATOR(pg_catalog.=) l.collnamespace
ORDER BY g.place
