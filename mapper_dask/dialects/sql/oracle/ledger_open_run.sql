-- Enter a run; nothing happens when another coordinator has entered it.
MERGE INTO mapper_dask_run r USING (SELECT :run_id AS run_id FROM SYS.DUAL) n ON (r.run_id = n.run_id)
WHEN NOT MATCHED THEN INSERT (run_id, fingerprint, plan, snapshot, state, staging, version)
VALUES (:run_id, :fingerprint, :plan, :snapshot, 'RUNNING', :staging, :version)
