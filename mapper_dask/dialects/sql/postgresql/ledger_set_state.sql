-- Move a run to another state; waits for the chunks that are being loaded, which hold a share lock.
-- Only a running run ends: what was cancelled stays so when its coordinator comes to its end. And one
-- that succeeded is not let run again by a coordinator that comes late, unless a chunk is to be redone.
UPDATE mapper_dask_run
SET state = %(state)s,
    snapshot = CASE WHEN %(state)s = 'RUNNING' THEN %(snapshot)s ELSE snapshot END,
    ended_at = CASE WHEN %(state)s = 'RUNNING' THEN NULL ELSE clock_timestamp() END
WHERE run_id = %(run_id)s AND (
    state IN ('RUNNING', 'RESTARTING')
    OR (%(state)s = 'RUNNING' AND (
        state <> 'SUCCEEDED'
        OR EXISTS (SELECT 1 FROM mapper_dask_chunk c WHERE c.run_id = %(run_id)s AND c.state <> 'PROCESSED'))))
