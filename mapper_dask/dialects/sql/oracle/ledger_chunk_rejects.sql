-- The rows that one chunk has rejected.
SELECT stage, reason, key, row_json
FROM mapper_dask_reject WHERE run_id = :run_id AND chunk_id = :chunk_id
ORDER BY TO_CHAR(SUBSTR(row_json, 1, 1000))
