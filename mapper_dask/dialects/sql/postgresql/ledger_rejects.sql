-- The rows a run has set aside, in the plan's order.
SELECT r.chunk_id, r.stage, r.reason, r.key::text, r."row"::text
FROM mapper_dask_reject r WHERE r.run_id = %(run_id)s ORDER BY r.chunk_id, r.key, r."row"
