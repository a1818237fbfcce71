-- Forget which transactions have loaded a run's chunks.
UPDATE mapper_dask_chunk SET loaded_by = NULL WHERE run_id = :run_id
