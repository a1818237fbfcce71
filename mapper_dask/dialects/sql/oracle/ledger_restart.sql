-- Restart a run that was stopped for that, in another snapshot; one cancelled meanwhile stays so.
UPDATE mapper_dask_run SET state = 'RUNNING', snapshot = :snapshot
WHERE run_id = :run_id AND state = 'RESTARTING'
