-- Every chunk of a run, in the plan's order.
SELECT bounds, state, rows_read, rows_out, rows_loaded, rows_rejected, attempts, NVL(worker, ' '),
       seconds, snapshot, warnings, error
FROM mapper_dask_chunk WHERE run_id = :run_id ORDER BY chunk_id
