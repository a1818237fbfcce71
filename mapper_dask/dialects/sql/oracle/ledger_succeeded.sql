-- End a run whose rows are all in the target.
UPDATE mapper_dask_run SET state = 'SUCCEEDED', ended_at = SYSTIMESTAMP WHERE run_id = :run_id
