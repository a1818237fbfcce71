-- Kind and size of the table a FROM clause names; only a plain heap without children has ranges.
SELECT c.oid::bigint,
       c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}')
         AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid),
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}')
            THEN pg_catalog.pg_relation_size(c.oid)
                 OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::bigint ELSE 0 END
FROM pg_catalog.pg_class c
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
