-- Other runs whose rows of the same query are in the same table: state, when and rows, the latest first.
SELECT r.run_id, r.state,
       TO_CHAR(SYS_EXTRACT_UTC(NVL(r.ended_at, r.started_at)), 'YYYY-MM-DD HH24:MI:SS'),
       k.rows_loaded
FROM mapper_dask_run r
JOIN (SELECT run_id, SUM(rows_loaded) AS rows_loaded FROM mapper_dask_chunk
      WHERE state = 'PROCESSED' GROUP BY run_id) k ON k.run_id = r.run_id
WHERE (r.fingerprint = :fingerprint OR INSTR(r.plan, :moves) > 0) AND r.run_id <> :run_id
  AND (r.state = 'SUCCEEDED' OR r.staging IS NULL AND r.state <> 'DISCARDED')
  AND k.rows_loaded > 0
ORDER BY NVL(r.ended_at, r.started_at) DESC, r.run_id
