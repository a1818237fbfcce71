-- Let a job of a flow wait for its turn; one that is done, or given up, stays so.
UPDATE mapper_dask_flow_job SET state = 'WAITING', error = NULL, ended_at = NULL
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND job OPERATOR(pg_catalog.=) %(job)s
  AND state OPERATOR(pg_catalog.<>) ALL ('{SUCCEEDED,DISCARDED}')
