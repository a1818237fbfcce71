-- End a run whose rows are all in the target.
UPDATE mapper_dask_run SET state = 'SUCCEEDED', ended_at = pg_catalog.clock_timestamp()
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
