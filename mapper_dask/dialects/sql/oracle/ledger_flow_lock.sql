-- One coordinator at a time opens windows of a flow, or resumes its jobs, until this transaction
-- ends. Each has entered its own run before, so the rows that two of them lock have one in common.
SELECT flow_run_id FROM mapper_dask_flow WHERE name = :name ORDER BY flow_run_id FOR UPDATE {wait}
