-- The operators of the default order of types of users', from < to >; NULL for a type without one.
SELECT c.oid::bigint, (
    SELECT pg_catalog.array_agg('OPERATOR(' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(h.nspname)
               OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) o.oprname::pg_catalog.text OPERATOR(pg_catalog.||) ')'
               ORDER BY w.amopstrategy)
    FROM (
        SELECT x.opcfamily, x.opcintype
        FROM pg_catalog.pg_opclass x  -- the default class of B-trees (403), chosen as the parser does
        JOIN pg_catalog.pg_type i ON i.oid OPERATOR(pg_catalog.=) x.opcintype
        WHERE x.opcmethod OPERATOR(pg_catalog.=) 403::pg_catalog.oid AND x.opcdefault
          AND (x.opcintype OPERATOR(pg_catalog.=) c.oid
               OR i.typname OPERATOR(pg_catalog.=) 'anyenum' AND c.typtype OPERATOR(pg_catalog.=) 'e'
               OR i.typname OPERATOR(pg_catalog.=) 'anyrange' AND c.typtype OPERATOR(pg_catalog.=) 'r'
               OR i.typname OPERATOR(pg_catalog.=) 'anymultirange' AND c.typtype OPERATOR(pg_catalog.=) 'm'
               OR i.typname OPERATOR(pg_catalog.=) 'anyarray' AND c.typcategory OPERATOR(pg_catalog.=) 'A'
               OR EXISTS (SELECT FROM pg_catalog.pg_cast k
                          WHERE k.castsource OPERATOR(pg_catalog.=) c.oid
                            AND k.casttarget OPERATOR(pg_catalog.=) x.opcintype
                            AND k.castmethod OPERATOR(pg_catalog.=) 'b'
                            AND k.castcontext OPERATOR(pg_catalog.=) 'i'))
        ORDER BY (x.opcintype OPERATOR(pg_catalog.=) c.oid) DESC, i.typispreferred DESC, x.oid
        LIMIT 1
    ) x
    JOIN pg_catalog.pg_amop w ON w.amopfamily OPERATOR(pg_catalog.=) x.opcfamily
        AND w.amoplefttype OPERATOR(pg_catalog.=) x.opcintype
        AND w.amoprighttype OPERATOR(pg_catalog.=) x.opcintype
        AND w.amoppurpose OPERATOR(pg_catalog.=) 's'
    JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) w.amopopr
    JOIN pg_catalog.pg_namespace h ON h.oid OPERATOR(pg_catalog.=) o.oprnamespace
)
FROM pg_catalog.pg_type c
WHERE c.oid OPERATOR(pg_catalog.=) ANY (%(type_ids)s::pg_catalog.oid[])
