-- A run and its state, held against every chunk and every other coordinator until the end.
SELECT chunk_id FROM mapper_dask_chunk WHERE run_id = :run_id FOR UPDATE {wait}
/
SELECT state FROM mapper_dask_run WHERE run_id = :run_id FOR UPDATE {wait}
