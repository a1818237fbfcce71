-- Forget the rows that one chunk has rejected, before those that stay are stored again.
DELETE FROM mapper_dask_reject WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
  AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
