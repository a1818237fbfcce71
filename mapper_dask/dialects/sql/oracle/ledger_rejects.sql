-- The rows that a run has rejected, in the plan's order.
SELECT r.chunk_id, r.stage, r.reason, r.key, r.row_json
FROM mapper_dask_reject r WHERE r.run_id = :run_id ORDER BY r.chunk_id, TO_CHAR(SUBSTR(r.row_json, 1, 1000))
