-- Kind and size of a table; only a plain heap has ranges of addresses. Its size is from statistics.
SELECT CASE WHEN t.iot_type IS NULL AND t.cluster_name IS NULL AND t.temporary = 'N'
             AND NOT EXISTS (SELECT 1 FROM SYS.ALL_EXTERNAL_TABLES e
                             WHERE e.owner = t.owner AND e.table_name = t.table_name)
            THEN 1 ELSE 0 END,
       t.blocks,
       CASE WHEN t.row_movement = 'ENABLED' THEN 0 ELSE 1 END  -- else an update leaves a row where it is
FROM SYS.ALL_TABLES t WHERE t.owner = :owner AND t.table_name = :name
