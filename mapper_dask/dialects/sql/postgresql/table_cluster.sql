-- What tells this server's data directory from every other's; copies of its files share it.
SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() AS s
