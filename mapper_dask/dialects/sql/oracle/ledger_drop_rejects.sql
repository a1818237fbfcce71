-- Forget the rows that one chunk has rejected, before those that stay are stored again.
DELETE FROM mapper_dask_reject WHERE run_id = :run_id AND chunk_id = :chunk_id
