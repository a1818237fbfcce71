-- Move a run to another state; waits for the chunks that are being loaded, which hold a share lock.
-- Only a running run ends: what was cancelled stays so when its coordinator ends. And one
-- that succeeded is not let run again by a coordinator that comes late, unless a chunk is to be redone.
UPDATE mapper_dask_run
SET state = %(state)s,
    snapshot = CASE WHEN %(state)s OPERATOR(pg_catalog.=) 'RUNNING' THEN %(snapshot)s ELSE snapshot END,
    ended_at = CASE WHEN %(state)s OPERATOR(pg_catalog.=) 'RUNNING'
                    THEN NULL ELSE pg_catalog.clock_timestamp() END
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s AND (
    state OPERATOR(pg_catalog.=) ANY ('{RUNNING,RESTARTING}')
    OR (%(state)s OPERATOR(pg_catalog.=) 'RUNNING' AND (
        state OPERATOR(pg_catalog.<>) 'SUCCEEDED'
        OR EXISTS (
            SELECT 1 FROM mapper_dask_chunk c
            WHERE c.run_id OPERATOR(pg_catalog.=) %(run_id)s AND c.state OPERATOR(pg_catalog.<>) 'PROCESSED'))))
