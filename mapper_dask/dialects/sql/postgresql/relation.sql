-- Kind and size of the table a FROM clause names; only a plain heap without children has ranges.
SELECT c.oid::int8,
       c.relkind IN ('r', 'm') AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid),
       CASE WHEN c.relkind IN ('r', 'm')
            THEN pg_relation_size(c.oid) / current_setting('block_size')::int8 ELSE 0 END
FROM pg_class c
WHERE c.oid = to_regclass(%(table)s)
