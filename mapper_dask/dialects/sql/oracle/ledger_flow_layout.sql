-- Columns of the flows' tables that an earlier library did not make; their owner may add them.
SELECT w.attribute,
       CASE WHEN SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') = SYS_CONTEXT('USERENV', 'SESSION_USER')
              OR EXISTS (SELECT 1 FROM SYS.SESSION_PRIVS p WHERE p.privilege = 'ALTER ANY TABLE')
            THEN 1 ELSE 0 END,
       SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
FROM (SELECT 'EDGE' AS attribute FROM SYS.DUAL
      UNION ALL SELECT 'NOTES' FROM SYS.DUAL
      UNION ALL SELECT 'HELD' FROM SYS.DUAL) w
WHERE NOT EXISTS (
    SELECT 1 FROM SYS.ALL_TAB_COLUMNS c
    WHERE c.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')
      AND c.table_name = 'MAPPER_DASK_FLOW_JOB' AND c.column_name = w.attribute)
