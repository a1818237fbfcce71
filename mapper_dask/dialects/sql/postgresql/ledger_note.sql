-- Remember a sentence for every later report of a run.
UPDATE mapper_dask_run SET notes = notes || %(note)s::jsonb WHERE run_id = %(run_id)s
