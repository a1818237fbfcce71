-- Every run the ledger knows, the newest first, with its counts; target and disposition are in the plan.
SELECT r.run_id, r.state, r.plan, NULL, r.staging,
       TO_CHAR(SYS_EXTRACT_UTC(r.started_at), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       TO_CHAR(SYS_EXTRACT_UTC(r.ended_at), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       NVL(k.chunks, 0), NVL(k.done, 0), NVL(k.failed, 0), NVL(k.rows_read, 0),
       NVL(k.rows_loaded, 0), NVL(k.rows_rejected, 0),
       TO_CHAR(SYS_EXTRACT_UTC(GREATEST(r.started_at, NVL(r.ended_at, r.started_at),
                                        NVL(k.last_at, r.started_at))), 'YYYY-MM-DD HH24:MI:SS'),
       TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), 'YYYY-MM-DD HH24:MI:SS')
FROM mapper_dask_run r
LEFT JOIN (
    SELECT run_id, COUNT(*) AS chunks,
           SUM(CASE WHEN state = 'PROCESSED' THEN 1 ELSE 0 END) AS done,
           SUM(CASE WHEN state = 'PROCESSED_WITH_ERROR' THEN 1 ELSE 0 END) AS failed,
           SUM(rows_read) AS rows_read, SUM(rows_loaded) AS rows_loaded,
           SUM(rows_rejected) AS rows_rejected, MAX(NVL(ended_at, started_at)) AS last_at
    FROM mapper_dask_chunk GROUP BY run_id) k ON k.run_id = r.run_id
ORDER BY r.started_at DESC, r.run_id
