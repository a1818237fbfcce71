-- Which rows a chunk covers now, asked while it is held.
SELECT bounds::pg_catalog.text FROM mapper_dask_chunk
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s
