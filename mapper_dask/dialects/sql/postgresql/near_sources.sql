-- Relations with a name like one in a query: schema, name, whether the name alone leads there, whether
-- the schema may be used, whether the relation may be read; the role, and both names as SQL writes
-- them.
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       pg_catalog.pg_table_is_visible(c.oid),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.has_table_privilege(c.oid, 'SELECT')
           OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
       pg_catalog.quote_ident(current_user),
       pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}')
  AND n.nspname OPERATOR(pg_catalog.!~) '^(pg_catalog|pg_toast.*|pg_temp.*|information_schema)$'
ORDER BY pg_catalog.lower(c.relname::pg_catalog.text)
             OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[]) DESC,
         3 DESC, 1, 2
LIMIT 5000
