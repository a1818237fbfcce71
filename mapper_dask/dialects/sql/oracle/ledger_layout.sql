-- Columns that an earlier library did not make; the ledger's owner may add them, or who may alter any.
SELECT w.relation, w.attribute,
       CASE WHEN SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') = SYS_CONTEXT('USERENV', 'SESSION_USER')
              OR EXISTS (SELECT 1 FROM session_privs p WHERE p.privilege = 'ALTER ANY TABLE')
            THEN 1 ELSE 0 END,
       SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
FROM (SELECT 'MAPPER_DASK_RUN' AS relation, 'TABLE_MARK' AS attribute FROM dual
      UNION ALL SELECT 'MAPPER_DASK_RUN', 'PUBLISHED' FROM dual
      UNION ALL SELECT 'MAPPER_DASK_CHUNK', 'LOADED_BY' FROM dual) w
WHERE NOT EXISTS (
    SELECT 1 FROM all_tab_columns c
    WHERE c.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
      AND c.table_name = w.relation AND c.column_name = w.attribute)
