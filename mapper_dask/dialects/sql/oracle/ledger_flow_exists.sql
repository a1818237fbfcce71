-- Whether the tables of flows are where unqualified names lead.
SELECT CASE WHEN COUNT(*) = 2 THEN 1 ELSE 0 END FROM SYS.ALL_TABLES
WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
  AND table_name IN ('MAPPER_DASK_FLOW', 'MAPPER_DASK_FLOW_JOB')
