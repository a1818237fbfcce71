-- One creator at a time: CREATE TABLE IF NOT EXISTS alone races. The number is 'mapper_dask' hashed.
SELECT pg_catalog.pg_advisory_xact_lock(7377024813)
