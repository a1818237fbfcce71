-- Move a run to another state. Every chunk's row is locked first, which waits for those that are
-- being loaded; a chunk that comes later waits in turn, and then sees the new state.
SELECT chunk_id FROM mapper_dask_chunk WHERE run_id = :run_id FOR UPDATE {wait}
/
-- Only a running run ends: what was cancelled stays so when its coordinator ends. And one
-- that succeeded is not let run again by a coordinator that comes late, unless a chunk is to be redone.
UPDATE mapper_dask_run
SET state = :state,
    snapshot = CASE WHEN :state = 'RUNNING' THEN :snapshot ELSE snapshot END,
    ended_at = CASE WHEN :state = 'RUNNING' THEN NULL ELSE SYSTIMESTAMP END
WHERE run_id = :run_id AND (
    state IN ('RUNNING', 'RESTARTING')
    OR (:state = 'RUNNING' AND (
        state <> 'SUCCEEDED'
        OR EXISTS (SELECT 1 FROM mapper_dask_chunk c WHERE c.run_id = :run_id AND c.state <> 'PROCESSED'))))
