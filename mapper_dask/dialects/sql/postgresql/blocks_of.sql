-- How many blocks a table has.
SELECT (pg_catalog.pg_relation_size(%(table)s::pg_catalog.regclass)
        OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::bigint)::bigint
