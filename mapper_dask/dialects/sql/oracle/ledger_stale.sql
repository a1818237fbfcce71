-- Staging tables in a schema that belong to this ledger and that no run will come back for. One
-- that is young may belong to a run that is about to be entered.
SELECT c.table_name
FROM SYS.ALL_TAB_COMMENTS c
JOIN SYS.ALL_OBJECTS o ON o.owner = c.owner AND o.object_name = c.table_name AND o.object_type = 'TABLE'
WHERE c.owner = :schema AND c.table_name LIKE 'MAPPER\_DASK\_STAGE\_%' ESCAPE '\'
  AND c.comments = (
      SELECT 'mapper_dask ledger ' || l.object_id FROM SYS.ALL_OBJECTS l
      WHERE l.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND l.object_name = 'MAPPER_DASK_RUN'
        AND l.object_type = 'TABLE')
  AND o.created < SYSDATE - 1 / 24
  AND NOT EXISTS (
      SELECT 1 FROM mapper_dask_run r
      WHERE UPPER(r.staging) = c.table_name AND r.state <> 'SUCCEEDED'
        AND SYSTIMESTAMP - NUMTODSINTERVAL(:seconds, 'SECOND') < GREATEST(
            r.started_at, NVL(r.ended_at, r.started_at),
            NVL((SELECT MAX(NVL(k.ended_at, k.started_at)) FROM mapper_dask_chunk k
                 WHERE k.run_id = r.run_id), r.started_at)))
