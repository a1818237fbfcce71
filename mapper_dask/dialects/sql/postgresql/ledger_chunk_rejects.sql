-- The rows one chunk has set aside.
SELECT stage, reason, key::text, "row"::text
FROM mapper_dask_reject WHERE run_id = %(run_id)s AND chunk_id = %(chunk_id)s ORDER BY key, "row"
