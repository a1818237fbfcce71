-- The rows a run has set aside, in the plan's order.
SELECT chunk_id, stage, reason, key::text, "row"::text
FROM mapper_dask_reject WHERE run_id = %(run_id)s ORDER BY chunk_id, key, "row"
