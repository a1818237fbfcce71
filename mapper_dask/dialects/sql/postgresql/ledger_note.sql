-- Remember a sentence for every later report of a run.
UPDATE mapper_dask_run SET notes = notes OPERATOR(pg_catalog.||) %(note)s::pg_catalog.jsonb
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
