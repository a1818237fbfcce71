-- Roles that may write tables of the ledger, beside their owner and administrators; by which right. What
-- others were granted is seen by the owner of the tables alone: for anybody else a row says so.
SELECT p.grantee, LOWER(p.table_name), p.privilege
FROM SYS.ALL_TAB_PRIVS p
WHERE p.table_schema = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
  AND p.table_name IN ('MAPPER_DASK_RUN', 'MAPPER_DASK_CHUNK', 'MAPPER_DASK_REJECT',
                       'MAPPER_DASK_FLOW', 'MAPPER_DASK_FLOW_JOB')
  AND p.privilege IN ('INSERT', 'UPDATE')
  AND p.grantee NOT IN (p.table_schema, SYS_CONTEXT('USERENV', 'SESSION_USER'), 'SYS', 'SYSTEM', 'DBA')
UNION
SELECT k.grantee, LOWER(k.table_name), k.privilege
FROM SYS.ALL_COL_PRIVS k
WHERE k.table_schema = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
  AND k.table_name IN ('MAPPER_DASK_RUN', 'MAPPER_DASK_CHUNK', 'MAPPER_DASK_REJECT',
                       'MAPPER_DASK_FLOW', 'MAPPER_DASK_FLOW_JOB')
  AND k.privilege IN ('INSERT', 'UPDATE')
  AND k.grantee NOT IN (k.table_schema, SYS_CONTEXT('USERENV', 'SESSION_USER'), 'SYS', 'SYSTEM', 'DBA')
UNION
SELECT 'others that its owner knows of', 'mapper_dask_run', 'INSERT'
FROM SYS.DUAL
WHERE SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') <> SYS_CONTEXT('USERENV', 'SESSION_USER')
