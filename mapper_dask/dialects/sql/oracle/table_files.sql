-- What a table is stored in, each of its partitions too: TRUNCATE and MOVE give another data object.
SELECT o.object_id, o.data_object_id
FROM SYS.ALL_OBJECTS o
WHERE o.owner = :owner AND o.object_name = :name
  AND (o.object_type LIKE 'TABLE%' OR o.object_type = 'VIEW')
ORDER BY o.object_id
