-- Hold a chunk until this transaction ends; a second copy waits here, then sees it PROCESSED.
SELECT state FROM mapper_dask_chunk
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
  AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s FOR UPDATE
