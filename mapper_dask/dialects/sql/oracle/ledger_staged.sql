-- The staging tables of a name, in any schema, that belong to this ledger.
SELECT CASE WHEN c.owner = UPPER(c.owner) THEN LOWER(c.owner) ELSE c.owner END, LOWER(c.table_name), 1
FROM SYS.ALL_TAB_COMMENTS c
JOIN SYS.ALL_OBJECTS o ON o.owner = c.owner AND o.object_name = c.table_name AND o.object_type = 'TABLE'
WHERE c.table_name = UPPER(:staging)
  AND c.comments = (
      SELECT 'mapper_dask ledger ' || l.object_id FROM SYS.ALL_OBJECTS l
      WHERE l.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND l.object_name = 'MAPPER_DASK_RUN'
        AND l.object_type = 'TABLE')
