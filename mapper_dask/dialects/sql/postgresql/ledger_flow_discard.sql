-- Give up what a flow's run has not done.
UPDATE mapper_dask_flow_job
SET state = 'DISCARDED', ended_at = pg_catalog.clock_timestamp()
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND state OPERATOR(pg_catalog.<>) 'SUCCEEDED'
