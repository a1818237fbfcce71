-- The number that identifies this server's data directory; copies of its files share it.
SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() AS s
