-- The functions that a name leads to, by its schema or the search path; of those of that very name, their
-- arguments.
SELECT p.proname::pg_catalog.text,
       CASE WHEN p.proname::pg_catalog.text OPERATOR(pg_catalog.=) %(name)s::pg_catalog.text
            THEN pg_catalog.pg_get_function_identity_arguments(p.oid) END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE CASE WHEN %(schema)s::pg_catalog.text IS NULL THEN pg_catalog.pg_function_is_visible(p.oid)
           ELSE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.text END
GROUP BY 1, 2
