-- The columns of a table that receives rows.
SELECT c.column_name, c.data_type, c.data_precision, c.data_scale, c.char_length,
       CASE WHEN c.nullable = 'Y' THEN 1 ELSE 0 END,
       CASE WHEN c.data_default IS NOT NULL OR i.generation_type IS NOT NULL THEN 1 ELSE 0 END,
       CASE WHEN c.virtual_column = 'YES' OR i.generation_type = 'ALWAYS' THEN 1 ELSE 0 END
FROM SYS.ALL_TAB_COLS c
LEFT JOIN SYS.ALL_TAB_IDENTITY_COLS i
    ON i.owner = c.owner AND i.table_name = c.table_name AND i.column_name = c.column_name
WHERE c.owner = :owner AND c.table_name = :name AND c.hidden_column = 'NO'
ORDER BY c.column_id
