-- The snapshot in which a run is read now, asked while its chunk is held.
SELECT snapshot FROM mapper_dask_run WHERE run_id = :run_id
