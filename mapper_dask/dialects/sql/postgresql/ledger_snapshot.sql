-- The snapshot in which a run is read now, asked while its chunk is held.
SELECT snapshot FROM mapper_dask_run WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
