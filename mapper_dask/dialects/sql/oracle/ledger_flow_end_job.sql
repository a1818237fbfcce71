-- Note what became of a job of a flow; one that was given up stays so, and so does one that was done,
-- unless its rows were looked at again.
UPDATE mapper_dask_flow_job
SET state = :state, rows_read = :rows_read, rows_loaded = :rows_loaded, seconds = :seconds,
    error = :error, ended_at = SYSTIMESTAMP
WHERE flow_run_id = :flow_run_id AND job = :job AND state <> 'DISCARDED'
  AND (state <> 'SUCCEEDED' OR CAST(:rows_loaded AS NUMBER) IS NOT NULL)
