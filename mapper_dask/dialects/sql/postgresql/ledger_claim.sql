-- Hold a chunk until this transaction ends; a second copy waits here, then sees it PROCESSED.
SELECT state FROM mapper_dask_chunk
WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s FOR UPDATE
