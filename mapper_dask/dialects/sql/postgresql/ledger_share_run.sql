-- The run's state, held until this transaction ends: a stopped run commits no chunk.
SELECT state FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s FOR SHARE
