-- Columns of a table's unique key by the name of its index, or of its constraint.
SELECT c.column_name FROM SYS.ALL_IND_COLUMNS c
WHERE c.table_owner = :owner AND c.table_name = :name AND c.index_name = :constraint
ORDER BY c.column_position
