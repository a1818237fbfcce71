-- The number by which the dictionary knows the ledger.
SELECT object_id FROM SYS.ALL_OBJECTS
WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND object_name = 'MAPPER_DASK_RUN'
  AND object_type = 'TABLE'
