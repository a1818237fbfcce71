-- Enter a flow's run; nothing happens when it is there already.
MERGE INTO mapper_dask_flow f USING (SELECT :flow_run_id AS flow_run_id FROM SYS.DUAL) n
ON (f.flow_run_id = n.flow_run_id)
WHEN NOT MATCHED THEN INSERT (flow_run_id, name, document, directory, state, version)
VALUES (:flow_run_id, :name, :document, :directory, 'RUNNING', :version)
