-- The transactions that have loaded a run's chunks.
SELECT chunk_id, rows_loaded, loaded_by::pg_catalog.text FROM mapper_dask_chunk
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND state OPERATOR(pg_catalog.=) 'PROCESSED'
