-- Enter a flow's run; nothing happens when it is there already.
INSERT INTO mapper_dask_flow (flow_run_id, name, document, directory, state, version)
VALUES (%(flow_run_id)s, %(name)s, %(document)s, %(directory)s, 'RUNNING', %(version)s)
ON CONFLICT (flow_run_id) DO NOTHING
RETURNING flow_run_id
