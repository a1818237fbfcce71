-- One coordinator at a time opens windows of a flow, or lets its jobs go on, until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('mapper_dask flow ' || %(name)s, 0))
