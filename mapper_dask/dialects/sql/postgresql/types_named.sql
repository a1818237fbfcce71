-- Numbers of types by the names that format_type writes.
SELECT DISTINCT t.id::bigint
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS n(name)
CROSS JOIN LATERAL (SELECT pg_catalog.to_regtype(n.name)::pg_catalog.oid) AS t(id)
WHERE t.id IS NOT NULL AND t.id OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
