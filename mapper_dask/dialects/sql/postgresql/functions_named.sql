-- The functions that a name without a schema leads to; of those called so, what they take.
SELECT p.proname::pg_catalog.text,
       CASE WHEN p.proname::pg_catalog.text OPERATOR(pg_catalog.=) %(name)s::pg_catalog.text
            THEN pg_catalog.pg_get_function_identity_arguments(p.oid) END
FROM pg_catalog.pg_proc p
WHERE pg_catalog.pg_function_is_visible(p.oid)
GROUP BY 1, 2
