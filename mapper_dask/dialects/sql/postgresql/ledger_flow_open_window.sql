-- Note which rows an incremental job reads, before it does.
UPDATE mapper_dask_flow_job SET low = %(low)s, high = %(high)s, opening = %(opening)s,
    edge = %(edge)s, notes = %(notes)s
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
  AND opening IS NULL
RETURNING job
