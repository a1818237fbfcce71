-- Whether the ledger's tables are where unqualified names lead.
SELECT CASE WHEN COUNT(*) = 3 THEN 1 ELSE 0 END FROM SYS.ALL_TABLES
WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
  AND table_name IN ('MAPPER_DASK_RUN', 'MAPPER_DASK_CHUNK', 'MAPPER_DASK_REJECT')
