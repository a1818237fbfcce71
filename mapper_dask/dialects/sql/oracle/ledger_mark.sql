-- Remember what a run's table is stored in, and what its publication wrote.
UPDATE mapper_dask_run SET table_mark = :mark, published = NVL(:published, published)
WHERE run_id = :run_id
