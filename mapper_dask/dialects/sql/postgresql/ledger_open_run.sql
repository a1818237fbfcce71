-- Enter a run; nothing happens when another coordinator has entered it.
INSERT INTO mapper_dask_run (run_id, fingerprint, plan, snapshot, state, staging, version)
VALUES (%(run_id)s, %(fingerprint)s, %(plan)s, %(snapshot)s, 'RUNNING', %(staging)s, %(version)s)
ON CONFLICT (run_id) DO NOTHING
RETURNING run_id
