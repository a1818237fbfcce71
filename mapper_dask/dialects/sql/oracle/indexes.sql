-- Ordered indexes over plain columns, a row for each column: its name, whether one proves a unique
-- key, the column, whether that is never NULL, and whether the index is the primary key's.
SELECT i.owner || '.' || i.index_name, CASE WHEN i.uniqueness = 'UNIQUE' THEN 1 ELSE 0 END,
       c.column_name, CASE WHEN t.nullable = 'N' THEN 1 ELSE 0 END,
       CASE WHEN EXISTS (
           SELECT 1 FROM SYS.ALL_CONSTRAINTS k
           WHERE k.owner = i.table_owner AND k.table_name = i.table_name AND k.constraint_type = 'P'
             AND k.index_name = i.index_name) THEN 1 ELSE 0 END
FROM SYS.ALL_INDEXES i
JOIN SYS.ALL_IND_COLUMNS c ON c.index_owner = i.owner AND c.index_name = i.index_name
LEFT JOIN SYS.ALL_TAB_COLUMNS t ON t.owner = i.table_owner AND t.table_name = i.table_name
    AND t.column_name = c.column_name
WHERE i.table_owner = :owner AND i.table_name = :name AND i.index_type = 'NORMAL'
  AND i.status IN ('VALID', 'N/A')
ORDER BY 5 DESC, 1, c.column_position
