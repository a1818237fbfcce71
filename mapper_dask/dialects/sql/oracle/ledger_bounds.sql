-- Which rows a chunk covers now, asked while it is held.
SELECT bounds FROM mapper_dask_chunk WHERE run_id = :run_id AND chunk_id = :chunk_id
