-- The rights a login lacks to read a query's tables, and those of its views: each table, the role that
-- reads it, and which of its columns that role may not read. A name without a schema leads where the
-- search path does, and only where that is nowhere, to a schema of it that may not be used.
WITH RECURSIVE path AS (
    SELECT n.oid, e.place
    FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'),
             '"((?:[^"]|"")*)"|([^",[:space:]]+)', 'g') WITH ORDINALITY e(parts, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=)
         CASE WHEN coalesce(e.parts[1], e.parts[2]) OPERATOR(pg_catalog.=) '$user'
              THEN current_user::pg_catalog.text
              ELSE coalesce(pg_catalog.replace(e.parts[1], '""', '"'), pg_catalog.lower(e.parts[2])) END
    UNION ALL
    SELECT n.oid, CASE WHEN n.nspname OPERATOR(pg_catalog.=) 'pg_catalog' THEN 0 ELSE -1 END
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname OPERATOR(pg_catalog.=) 'pg_catalog' OR n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
), me AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user
), found AS (
    SELECT DISTINCT ON (w.place) w.place, c.oid AS id
    FROM ROWS FROM (pg_catalog.unnest(%(schemas)s::pg_catalog.text[]),
                    pg_catalog.unnest(%(names)s::pg_catalog.text[]))
         WITH ORDINALITY AS w(schema, name, place)
    JOIN pg_catalog.pg_class c ON c.relname::pg_catalog.text OPERATOR(pg_catalog.=) w.name
     AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog."char"[])
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    LEFT JOIN path p ON p.oid OPERATOR(pg_catalog.=) n.oid
    WHERE CASE WHEN w.schema IS NULL THEN p.place IS NOT NULL
               ELSE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) w.schema END
    ORDER BY w.place, pg_catalog.has_schema_privilege(n.oid, 'USAGE') DESC, p.place
), reads(place, id, role, direct, number) AS (
    SELECT f.place, f.id, me.oid, true, 0 FROM found f CROSS JOIN me
    UNION
    SELECT r.place, d.refobjid,
           CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) o
                             WHERE o.option_name OPERATOR(pg_catalog.=) 'security_invoker'
                               AND o.option_value::boolean)
                THEN me.oid ELSE c.relowner END, false, d.refobjsubid
    FROM reads r
    CROSS JOIN me
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.id AND c.relkind OPERATOR(pg_catalog.=) 'v'
    JOIN pg_catalog.pg_rewrite w ON w.ev_class OPERATOR(pg_catalog.=) c.oid AND w.ev_type OPERATOR(pg_catalog.=) '1'
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refobjid OPERATOR(pg_catalog.<>) c.oid
), used AS (
    SELECT r.place, r.id, r.role, r.direct,
           pg_catalog.array_agg(r.number) FILTER (WHERE r.number OPERATOR(pg_catalog.>) 0) AS numbers
    FROM reads r GROUP BY r.place, r.id, r.role, r.direct
)
SELECT u.place OPERATOR(pg_catalog.-) 1, u.direct, pg_catalog.quote_ident(n.nspname),
       pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname)),
       pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(u.role)),
       u.role OPERATOR(pg_catalog.=) me.oid,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') OR NOT u.direct,
       pg_catalog.has_table_privilege(u.role, c.oid, 'SELECT'),
       pg_catalog.has_any_column_privilege(u.role, c.oid, 'SELECT'),
       coalesce(l.names, '{}'), coalesce(l.quoted, '{}')
FROM used u
CROSS JOIN me
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.id
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) AS names,
           pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) ORDER BY a.attnum) AS quoted
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0
      AND NOT a.attisdropped
      AND (u.direct OR a.attnum OPERATOR(pg_catalog.=) ANY (u.numbers))
      AND NOT pg_catalog.has_column_privilege(u.role, c.oid, a.attnum, 'SELECT')
) l
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog."char"[])
ORDER BY u.place, u.direct DESC, 3, 4
