-- Columns of the flows' tables that an earlier library did not make, and whether this login may add them.
SELECT w.attribute, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text
FROM (VALUES ('edge'), ('notes'), ('held')) AS w (attribute)
JOIN pg_catalog.pg_class c
  ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('mapper_dask_flow_job')::pg_catalog.oid
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped
      AND a.attname OPERATOR(pg_catalog.=) w.attribute::pg_catalog.name)
