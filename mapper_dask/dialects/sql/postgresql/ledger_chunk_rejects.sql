-- The rows that one chunk has rejected.
SELECT stage, reason, key::pg_catalog.text, "row"::pg_catalog.text
FROM mapper_dask_reject WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
  AND chunk_id OPERATOR(pg_catalog.=) %(chunk_id)s ORDER BY key, "row"
