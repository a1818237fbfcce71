-- How many chunks the ledger knows of a run.
SELECT pg_catalog.count(*)
FROM mapper_dask_chunk WHERE run_id OPERATOR(pg_catalog.=) %(run_id)s::pg_catalog.text
