-- Every chunk of a run, in the plan's order.
SELECT bounds::pg_catalog.text, state, rows_read, rows_out, rows_loaded, rows_rejected, attempts, worker,
       seconds, snapshot, warnings::pg_catalog.text, error
FROM mapper_dask_chunk WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s ORDER BY chunk_id
