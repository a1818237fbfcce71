-- Note that a worker begins a chunk of a running run; another copy may hold it.
SELECT chunk_id FROM mapper_dask_chunk WHERE run_id = :run_id AND chunk_id = :chunk_id FOR UPDATE {wait}
/
UPDATE mapper_dask_chunk
SET state = 'ASSIGNED', worker = :worker, attempts = attempts + 1, error = NULL,
    started_at = SYSTIMESTAMP, ended_at = NULL
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state <> 'PROCESSED'
  AND EXISTS (SELECT 1 FROM mapper_dask_run r WHERE r.run_id = :run_id AND r.state = 'RUNNING')
/
-- No row comes back when its rows are committed already, or the run was stopped.
SELECT attempts FROM mapper_dask_chunk
WHERE run_id = :run_id AND chunk_id = :chunk_id AND state = 'ASSIGNED'
  AND EXISTS (SELECT 1 FROM mapper_dask_run r WHERE r.run_id = :run_id AND r.state = 'RUNNING')
