-- Whether the ledger's tables are where unqualified names lead.
SELECT pg_catalog.to_regclass('mapper_dask_run') IS NOT NULL
   AND pg_catalog.to_regclass('mapper_dask_chunk') IS NOT NULL
   AND pg_catalog.to_regclass('mapper_dask_reject') IS NOT NULL
