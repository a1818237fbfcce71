-- Staging tables of this ledger, in any schema, that no run will come back for. One that is young may
-- belong to a run that is about to be entered.
SELECT CASE WHEN c.owner = UPPER(c.owner) THEN LOWER(c.owner) ELSE c.owner END, LOWER(c.table_name)
FROM SYS.ALL_TAB_COMMENTS c
JOIN SYS.ALL_OBJECTS o ON o.owner = c.owner AND o.object_name = c.table_name AND o.object_type = 'TABLE'
WHERE c.table_name LIKE 'MAPPER\_DASK\_STAGE\_%' ESCAPE '\'
  AND c.comments = (
      SELECT 'mapper_dask ledger ' || l.object_id FROM SYS.ALL_OBJECTS l
      WHERE l.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND l.object_name = 'MAPPER_DASK_RUN'
        AND l.object_type = 'TABLE')
  AND o.created < SYSDATE - 1 / 24
  AND NOT EXISTS (
      SELECT 1 FROM mapper_dask_run r
      WHERE UPPER(r.staging) = c.table_name AND r.state NOT IN ('SUCCEEDED', 'DISCARDED'))
ORDER BY 1, 2
