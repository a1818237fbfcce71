-- Remember what a run's table is stored in, and what its publication wrote.
UPDATE mapper_dask_run SET table_mark = %(mark)s, published = coalesce(%(published)s, published)
WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s
