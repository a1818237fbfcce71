-- The rows that a run has rejected, in the plan's order.
SELECT r.chunk_id, r.stage, r.reason, r.key::pg_catalog.text, r."row"::pg_catalog.text
FROM mapper_dask_reject r WHERE r.run_id OPERATOR(pg_catalog.=) %(run_id)s
ORDER BY r.chunk_id, r.key, r."row"
