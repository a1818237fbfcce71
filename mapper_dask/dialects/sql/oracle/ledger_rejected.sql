-- Rows the run has rejected so far; one chunk at a time adds to them, until this one commits. A
-- chunk holds its own row before; whoever stops the run takes the chunks before the run, so no two
-- wait for each other.
SELECT state FROM mapper_dask_run WHERE run_id = :run_id FOR UPDATE {wait}
/
SELECT NVL(SUM(rows_rejected), 0) FROM mapper_dask_chunk WHERE run_id = :run_id AND state = 'PROCESSED'
