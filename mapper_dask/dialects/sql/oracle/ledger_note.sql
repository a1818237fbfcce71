-- Remember a sentence, which comes as JSON, for every later report of a run.
UPDATE mapper_dask_run
SET notes = SUBSTR(notes, 1, LENGTH(notes) - 1) || CASE WHEN LENGTH(notes) > 2 THEN ', ' END || :note || ']'
WHERE run_id = :run_id
