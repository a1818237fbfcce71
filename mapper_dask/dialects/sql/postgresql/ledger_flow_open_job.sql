-- Enter a job of a flow's run; nothing happens when it is there already.
INSERT INTO mapper_dask_flow_job (flow_run_id, job, place)
VALUES (%(flow_run_id)s, %(job)s, %(place)s) ON CONFLICT DO NOTHING
