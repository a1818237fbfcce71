-- Say what became of a window that another run has left open, unless that one is resumed meanwhile.
UPDATE mapper_dask_flow_job
SET state = %(state)s, error = %(error)s, ended_at = pg_catalog.clock_timestamp()
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
  AND state OPERATOR(pg_catalog.=) %(expected)s
RETURNING job
