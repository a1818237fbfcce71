-- Forget the rows one chunk has set aside, before those that stay are written down anew.
DELETE FROM mapper_dask_reject WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
  AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
