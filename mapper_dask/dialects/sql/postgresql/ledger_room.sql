-- Where unqualified tables would be made, by whom, and whether that login may make them there.
SELECT current_schema::pg_catalog.text, current_user::pg_catalog.text,
       pg_catalog.current_setting('search_path'),
       coalesce(pg_catalog.has_schema_privilege(current_schema, 'CREATE'), false)
