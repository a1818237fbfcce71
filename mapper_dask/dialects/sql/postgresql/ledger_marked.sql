-- What a run's table was stored in, and what its publication wrote.
SELECT table_mark::pg_catalog.text, published::pg_catalog.text, state
FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
