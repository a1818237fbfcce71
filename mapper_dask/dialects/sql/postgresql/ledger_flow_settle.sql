-- Say what became of a window that another run has left open, unless it goes on meanwhile.
UPDATE mapper_dask_flow_job
SET state = %(state)s, error = %(error)s, ended_at = clock_timestamp()
WHERE flow_run_id = %(flow_run_id)s AND job = %(job)s AND state = %(expected)s
RETURNING job
