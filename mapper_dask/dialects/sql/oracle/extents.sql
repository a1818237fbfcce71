-- The extents of a table, in the order of their row addresses.
SELECT o.data_object_id, e.relative_fno, e.block_id, e.blocks
FROM SYS.DBA_EXTENTS e
JOIN SYS.DBA_OBJECTS o ON o.owner = e.owner AND o.object_name = e.segment_name
    AND (o.subobject_name = e.partition_name OR (o.subobject_name IS NULL AND e.partition_name IS NULL))
WHERE e.owner = :owner AND e.segment_name = :name AND e.segment_type LIKE 'TABLE%'
  AND o.data_object_id IS NOT NULL
ORDER BY o.data_object_id, e.relative_fno, e.block_id
