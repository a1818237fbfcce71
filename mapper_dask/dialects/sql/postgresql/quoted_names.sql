-- The session's role, and a name, as SQL writes them.
SELECT pg_catalog.quote_ident(current_user), pg_catalog.quote_ident(%(name)s::pg_catalog.text)
