-- Columns that an earlier library did not make; the ledger's owner may add them, or a login that may alter any table.
SELECT w.relation, w.attribute,
       CASE WHEN SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') = SYS_CONTEXT('USERENV', 'SESSION_USER')
              OR EXISTS (SELECT 1 FROM SYS.SESSION_PRIVS p WHERE p.privilege = 'ALTER ANY TABLE')
            THEN 1 ELSE 0 END,
       SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
FROM (SELECT 'MAPPER_DASK_RUN' AS relation, 'TABLE_MARK' AS attribute FROM SYS.DUAL
      UNION ALL SELECT 'MAPPER_DASK_RUN', 'PUBLISHED' FROM SYS.DUAL
      UNION ALL SELECT 'MAPPER_DASK_CHUNK', 'LOADED_BY' FROM SYS.DUAL) w
WHERE NOT EXISTS (
    SELECT 1 FROM SYS.ALL_TAB_COLUMNS c
    WHERE c.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
      AND c.table_name = w.relation AND c.column_name = w.attribute)
