-- The table or view a schema and name mean here: its own name first, then what a synonym leads to.
SELECT owner, name FROM (
    SELECT o.owner AS owner, o.object_name AS name, 1 AS place FROM SYS.ALL_OBJECTS o
    WHERE o.owner = NVL(:schema, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND o.object_name = :name
      AND o.object_type IN ('TABLE', 'VIEW')
    UNION ALL
    SELECT s.table_owner, s.table_name, CASE WHEN s.owner = 'PUBLIC' THEN 3 ELSE 2 END
    FROM SYS.ALL_SYNONYMS s
    WHERE s.synonym_name = :name AND s.db_link IS NULL
      AND s.owner IN (NVL(:schema, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')),
                      CASE WHEN :schema IS NULL THEN 'PUBLIC' END)
) ORDER BY place
