-- Where unqualified tables would be made, by whom, and whether that login may make them there.
SELECT current_schema()::text, current_user::text, current_setting('search_path'),
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
