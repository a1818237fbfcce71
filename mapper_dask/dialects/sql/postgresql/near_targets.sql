-- What bears a name like a target's: where it is, what it is, and whether the search path leads
-- there; then the schemas, whose name is NULL. Exact names come before near ones.
WITH things AS (
    SELECT n.nspname::pg_catalog.text AS place, c.relname::pg_catalog.text AS name,
           CASE WHEN c.relpersistence OPERATOR(pg_catalog.=) 't'
                THEN 'a temporary table of another session'
                WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,f}') THEN 'table'
                WHEN c.relkind OPERATOR(pg_catalog.=) 'm' THEN 'a materialized view'
                WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'a sequence'
                WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{i,I}') THEN 'an index'
                ELSE 'a composite type' END AS kind,
           pg_catalog.pg_table_is_visible(c.oid) AS reachable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.!~) '^(pg_catalog|pg_toast.*|information_schema)$'
    UNION ALL
    SELECT n.nspname::pg_catalog.text, t.typname::pg_catalog.text, 'a type',
           pg_catalog.pg_type_is_visible(t.oid)
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
    WHERE n.nspname OPERATOR(pg_catalog.!~) '^(pg_catalog|pg_toast.*|information_schema)$'
      AND t.typtype OPERATOR(pg_catalog.=) ANY ('{d,e,r}')
),
near AS (
    SELECT t.* FROM things t
    ORDER BY pg_catalog.lower(t.name) OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[]) DESC,
             t.place OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.text DESC NULLS LAST,
             t.reachable DESC, t.place, t.name
    LIMIT 5000
)
SELECT place, name, kind, reachable FROM near
UNION ALL
SELECT n.nspname::pg_catalog.text, NULL, 'schema',
       n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
FROM pg_catalog.pg_namespace n
WHERE n.nspname OPERATOR(pg_catalog.!~) '^(pg_toast|pg_temp_|pg_catalog$|information_schema$)'
