-- What a load relies on of a table: its number and kind, and its columns' names, places and types.
SELECT o.object_id, o.object_type, c.column_name, c.column_id,
       c.data_type, c.data_precision, c.data_scale, c.char_length
FROM SYS.ALL_OBJECTS o
JOIN SYS.ALL_TAB_COLS c ON c.owner = o.owner AND c.table_name = o.object_name
WHERE o.owner = :owner AND o.object_name = :name AND o.object_type IN ('TABLE', 'VIEW')
  AND c.hidden_column = 'NO'
ORDER BY c.column_id
