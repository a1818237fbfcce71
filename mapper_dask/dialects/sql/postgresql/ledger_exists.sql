-- Whether the ledger's tables stand where unqualified names lead.
SELECT to_regclass('mapper_dask_run') IS NOT NULL
   AND to_regclass('mapper_dask_chunk') IS NOT NULL
   AND to_regclass('mapper_dask_reject') IS NOT NULL
