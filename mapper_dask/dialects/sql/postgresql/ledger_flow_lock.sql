-- One coordinator at a time opens windows of a flow, or resumes its jobs, until this transaction ends.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
    pg_catalog.concat('mapper_dask flow ', %(name)s), 0))
