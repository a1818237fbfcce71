-- What a run relies on of some relations: a row for each of their columns, of the relation's name,
-- its number, its kind, whether more is to be asked of it (children, a view's query), and the
-- column's name, type, place, what identifies its type, whether that is a user's; and of the
-- relation's triggers and rules.
WITH named(ids) AS (
    SELECT pg_catalog.array_cat(
        pg_catalog.array_append(%(relations)s::pg_catalog.oid[], pg_catalog.to_regclass(%(name)s)::pg_catalog.oid),
        pg_catalog.current_setting(%(read)s, true)::pg_catalog.oid[])
)
SELECT pg_catalog.concat(n.nspname, '.', c.relname), c.oid::bigint, c.relkind::pg_catalog.text,
       c.relhassubclass OR c.relkind OPERATOR(pg_catalog.=) 'v',
       a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnum::integer,
       pg_catalog.concat_ws(' ', a.atttypid, a.atttypmod, a.attcollation),
       a.atttypid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid,
       -- of a table that receives rows: what else happens to them
       CASE WHEN %(hooks)s THEN ARRAY(
           SELECT pg_catalog.concat('trigger ', t.tgname, CASE WHEN t.tgrelid OPERATOR(pg_catalog.<>) c.oid
               THEN pg_catalog.concat(' of partition ', t.tgrelid::pg_catalog.regclass::pg_catalog.text) END)
           FROM pg_catalog.pg_trigger t
           WHERE NOT t.tgisinternal AND t.tgenabled OPERATOR(pg_catalog.<>) 'D'
             AND (t.tgrelid OPERATOR(pg_catalog.=) c.oid
                  OR t.tgrelid OPERATOR(pg_catalog.=) ANY (
                      SELECT f.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(c.oid) f))
           UNION ALL
           SELECT pg_catalog.concat('rule ', r.rulename) FROM pg_catalog.pg_rewrite r
           WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid
             AND r.rulename OPERATOR(pg_catalog.<>) '_RETURN'
       ) END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
WHERE c.oid OPERATOR(pg_catalog.=) ANY ((SELECT ids FROM named)::pg_catalog.oid[])
  -- what only a read has met, a function's own table maybe, matters in the place of a planned one
  AND (%(hooks)s
       OR c.oid OPERATOR(pg_catalog.=) ANY (%(relations)s::pg_catalog.oid[])
       OR c.relname OPERATOR(pg_catalog.=) ANY (%(known)s::pg_catalog.name[])
       OR c.relname OPERATOR(pg_catalog.=) ANY (
           SELECT p.relname FROM pg_catalog.pg_class p
           WHERE p.oid OPERATOR(pg_catalog.=) ANY (%(relations)s::pg_catalog.oid[])))
  AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_inherits i
      WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid
        AND i.inhparent OPERATOR(pg_catalog.=) ANY ((SELECT ids FROM named)::pg_catalog.oid[]))
ORDER BY c.oid, a.attnum
