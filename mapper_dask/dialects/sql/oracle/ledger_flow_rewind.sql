-- Let a job's next window begin where one began that was read: that one, and all later ones, count as
-- read as far as there.
UPDATE mapper_dask_flow_job
SET high = :high, held = :held, run_id = NULL, rows_loaded = 0, error = :error
WHERE job = :job AND opening >= :opening AND state = 'SUCCEEDED'
  AND flow_run_id IN (SELECT g.flow_run_id FROM mapper_dask_flow g WHERE g.name = :name)
