-- Every job of a flow's run, in the order they were written.
SELECT job, state, run_id, low, high, opening, edge, rows_loaded, seconds, error, notes, held
FROM mapper_dask_flow_job WHERE flow_run_id = :flow_run_id ORDER BY place, job
