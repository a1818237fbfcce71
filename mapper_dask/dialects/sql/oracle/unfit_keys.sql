-- Unique keys of a table by which no row can be found for certain: the index, its columns as SQL
-- writes them, their names with commas between, why, of what, and what mends it.
SELECT i.index_name,
       LISTAGG('"' || c.column_name || '"', ', ') WITHIN GROUP (ORDER BY c.column_position),
       LISTAGG(c.column_name, ',') WITHIN GROUP (ORDER BY c.column_position),
       CASE WHEN MAX(i.index_type) <> 'NORMAL' THEN 'computed'
            WHEN MAX(i.status) NOT IN ('VALID', 'N/A') THEN 'invalid'
            ELSE 'nullable' END,
       LISTAGG(CASE WHEN t.nullable = 'Y' THEN c.column_name END, ', ')
           WITHIN GROUP (ORDER BY c.column_position),
       CASE WHEN MAX(i.index_type) <> 'NORMAL' THEN NULL
            WHEN MAX(i.status) NOT IN ('VALID', 'N/A')
            THEN 'ALTER INDEX "' || MAX(i.owner) || '"."' || i.index_name || '" REBUILD'
            ELSE 'ALTER TABLE "' || MAX(i.table_owner) || '"."' || MAX(i.table_name) || '" MODIFY ('
                 || LISTAGG(CASE WHEN t.nullable = 'Y' THEN '"' || c.column_name || '" NOT NULL' END, ', ')
                    WITHIN GROUP (ORDER BY c.column_position) || ')' END
FROM SYS.ALL_INDEXES i
JOIN SYS.ALL_IND_COLUMNS c ON c.index_owner = i.owner AND c.index_name = i.index_name
LEFT JOIN SYS.ALL_TAB_COLUMNS t ON t.owner = i.table_owner AND t.table_name = i.table_name
    AND t.column_name = c.column_name
WHERE i.table_owner = :owner AND i.table_name = :name AND i.uniqueness = 'UNIQUE'
GROUP BY i.index_name
HAVING MAX(i.index_type) <> 'NORMAL' OR MAX(i.status) NOT IN ('VALID', 'N/A')
    OR MAX(CASE WHEN t.nullable = 'Y' THEN 1 ELSE 0 END) = 1
ORDER BY i.index_name
