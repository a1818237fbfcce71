-- Store a rejected row, in the transaction that loads the others of its chunk.
INSERT INTO mapper_dask_reject (run_id, chunk_id, key, stage, reason, "row")
VALUES (%(run_id)s, %(chunk_id)s, %(key)s, %(stage)s, %(reason)s, %(row)s)
