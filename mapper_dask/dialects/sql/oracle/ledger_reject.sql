-- Store a rejected row, in the transaction that loads the others of its chunk.
INSERT INTO mapper_dask_reject (run_id, chunk_id, key, stage, reason, row_json)
VALUES (:run_id, :chunk_id, :key, :stage, :reason, :row)
