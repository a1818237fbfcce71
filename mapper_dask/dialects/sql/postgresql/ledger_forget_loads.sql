-- Forget which transactions have loaded a run's chunks.
UPDATE mapper_dask_chunk SET loaded_by = NULL WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
