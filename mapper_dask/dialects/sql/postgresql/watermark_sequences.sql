-- The sequences that feed some tables: of each the column, and how it hands out its numbers.
SELECT f.relation::bigint, f.attribute::integer, s.seqrelid::bigint, c.relname::pg_catalog.text,
       s.seqcache, s.seqincrement, s.seqcycle
FROM (
    SELECT d.refobjid AS relation, d.refobjsubid AS attribute, d.objid AS sequence
    FROM pg_catalog.pg_depend d  -- an identity's, or one that is owned
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
      AND d.deptype::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'i'])
    UNION
    SELECT a.adrelid, a.adnum::integer, d.refobjid
    FROM pg_catalog.pg_attrdef a
    JOIN pg_catalog.pg_depend d  -- one that a default names
      ON d.objid OPERATOR(pg_catalog.=) a.oid
     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
) f
JOIN pg_catalog.pg_sequence s ON s.seqrelid OPERATOR(pg_catalog.=) f.sequence
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.seqrelid
WHERE f.relation OPERATOR(pg_catalog.=) ANY (%(tables)s::pg_catalog.oid[])
ORDER BY c.relname, s.seqrelid
