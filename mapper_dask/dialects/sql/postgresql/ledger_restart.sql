-- Restart a run that was stopped for that, in another snapshot; one cancelled meanwhile stays so.
UPDATE mapper_dask_run SET state = 'RUNNING', snapshot = %(snapshot)s
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND state OPERATOR(pg_catalog.=) 'RESTARTING'
RETURNING run_id
