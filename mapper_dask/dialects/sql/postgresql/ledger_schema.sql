-- Where unqualified tables would be made, by whom, and whether that login may make them there.
SELECT pg_catalog.quote_ident(current_schema), pg_catalog.quote_ident(current_user),
       pg_catalog.current_setting('search_path'),
       coalesce(pg_catalog.has_schema_privilege(current_schema, 'CREATE'), false)
