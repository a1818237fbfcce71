-- The endpoints of a numeric column's histogram, where the statistics are fresh.
SELECT h.endpoint_number, TO_CHAR(h.endpoint_value, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')
FROM SYS.ALL_TAB_HISTOGRAMS h
JOIN SYS.ALL_TAB_COLUMNS c ON c.owner = h.owner AND c.table_name = h.table_name AND c.column_name = h.column_name
WHERE h.owner = :owner AND h.table_name = :name AND h.column_name = :column AND c.data_type = 'NUMBER'
  AND EXISTS (
      SELECT 1 FROM SYS.ALL_TAB_STATISTICS s
      WHERE s.owner = h.owner AND s.table_name = h.table_name AND s.partition_name IS NULL
        AND s.stale_stats = 'NO')
ORDER BY h.endpoint_number
