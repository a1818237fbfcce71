-- Functions of some names that a login may not call: as a GRANT names them, their schema, whether that
-- may be used, and how many arguments they take at least and at most (NULL: any number).
SELECT n.nspname::pg_catalog.text, p.proname::pg_catalog.text,
       pg_catalog.pg_function_is_visible(p.oid),
       pg_catalog.quote_ident(n.nspname),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.concat(CASE WHEN p.prokind OPERATOR(pg_catalog.=) 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END,
                         pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(p.proname),
                         '(', t.taken, ')'),
       p.pronargs::integer OPERATOR(pg_catalog.-) p.pronargdefaults::integer
           OPERATOR(pg_catalog.-) CASE WHEN p.provariadic OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 0 ELSE 1 END,
       CASE WHEN p.provariadic OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN p.pronargs::integer END,
       pg_catalog.quote_ident(current_user)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               CASE WHEN tn.nspname OPERATOR(pg_catalog.=) 'pg_catalog' THEN pg_catalog.format_type(t.oid, NULL)
                    ELSE pg_catalog.concat(pg_catalog.quote_ident(tn.nspname), '.',
                                           pg_catalog.quote_ident(t.typname)) END,
               ', ' ORDER BY a.place) AS taken
    FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a(id, place)
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.id
    JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace
) t
WHERE pg_catalog.lower(p.proname::pg_catalog.text) OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[])
  AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
ORDER BY 1, 2, 6
LIMIT 100
