-- Enter one chunk of a run's plan.
INSERT INTO mapper_dask_chunk (run_id, chunk_id, bounds) VALUES (:run_id, :chunk_id, :bounds)
