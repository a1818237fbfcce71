-- A run and its state, held against every chunk and every other coordinator until the end.
SELECT state FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s FOR UPDATE
