-- Move a flow's run to another state; one that was given up stays so.
UPDATE mapper_dask_flow
SET state = %(state)s,
    ended_at = CASE WHEN %(state)s OPERATOR(pg_catalog.=) 'RUNNING'
                    THEN NULL ELSE pg_catalog.clock_timestamp() END
WHERE flow_run_id OPERATOR(pg_catalog.=) %(flow_run_id)s AND state OPERATOR(pg_catalog.<>) 'DISCARDED'
