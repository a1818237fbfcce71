-- Set rows aside, in the transaction that loads the others of their chunk.
INSERT INTO mapper_dask_reject (run_id, chunk_id, key, stage, reason, "row")
SELECT %(run_id)s, %(chunk_id)s, nullif(r -> 'key', 'null'), r ->> 'stage', r ->> 'reason', r -> 'row'
FROM jsonb_array_elements(%(rejects)s::jsonb) r
