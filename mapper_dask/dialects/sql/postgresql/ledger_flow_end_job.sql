-- Note what became of a job of a flow; one that was given up stays so, and so does one that was done,
-- unless its rows were looked at again.
UPDATE mapper_dask_flow_job
SET state = %(state)s, rows_read = %(rows_read)s, rows_loaded = %(rows_loaded)s, seconds = %(seconds)s,
    error = %(error)s, ended_at = pg_catalog.clock_timestamp()
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
  AND state OPERATOR(pg_catalog.<>) 'DISCARDED'
  AND (state OPERATOR(pg_catalog.<>) 'SUCCEEDED' OR %(rows_loaded)s::bigint IS NOT NULL)
