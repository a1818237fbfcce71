-- Forget the rows one chunk has set aside, before those that stay are written down anew.
DELETE FROM mapper_dask_reject WHERE run_id = :run_id AND chunk_id = :chunk_id
