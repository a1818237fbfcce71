-- Forget the chunks of a run whose query was read again, and so has others.
DELETE FROM mapper_dask_chunk WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
