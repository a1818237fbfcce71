-- The run's state, read while its chunk is held: whoever stops the run holds all chunks first, so a
-- stopped run commits no chunk. (Oracle has no row lock that several may share.)
SELECT state FROM mapper_dask_chunk WHERE run_id = :run_id AND chunk_id = :chunk_id FOR UPDATE {wait}
/
SELECT state FROM mapper_dask_run WHERE run_id = :run_id
