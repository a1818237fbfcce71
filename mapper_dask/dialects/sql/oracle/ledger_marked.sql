-- What a run's table was stored in, and what its publication wrote.
SELECT table_mark, published, state FROM mapper_dask_run WHERE run_id = :run_id
