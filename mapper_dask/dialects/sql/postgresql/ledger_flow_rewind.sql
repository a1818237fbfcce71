-- Let a job's next window begin where one began that was read: that one, and all later ones, count as
-- read as far as there.
UPDATE mapper_dask_flow_job
SET high = %(high)s, held = %(held)s, run_id = NULL, rows_loaded = 0, error = %(error)s
WHERE job OPERATOR(pg_catalog.=) %(job)s AND opening OPERATOR(pg_catalog.>=) %(opening)s AND state OPERATOR(pg_catalog.=) 'SUCCEEDED'
  AND flow_run_id OPERATOR(pg_catalog.=) ANY (SELECT g.flow_run_id FROM mapper_dask_flow g WHERE g.name OPERATOR(pg_catalog.=) %(name)s)
