-- Let all chunks of a run be done again: their counts and their rejects are forgotten.
WITH gone AS (DELETE FROM mapper_dask_reject WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s)
UPDATE mapper_dask_chunk
SET state = 'UNASSIGNED', rows_read = 0, rows_out = 0, rows_loaded = 0, rows_rejected = 0,
    snapshot = NULL, error = NULL, warnings = '[]', ended_at = NULL,
    loaded_by = NULL
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
