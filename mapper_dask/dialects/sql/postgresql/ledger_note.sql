-- Remember a sentence for every later report of a run.
UPDATE mapper_dask_run SET notes = notes || to_jsonb(%(note)s::text) WHERE run_id = %(run_id)s
