-- The state of a chunk that this transaction holds.
SELECT state FROM mapper_dask_chunk WHERE run_id = :run_id AND chunk_id = :chunk_id
