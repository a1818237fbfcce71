-- Conditions of a table's check constraints, but for those that say NOT NULL.
SELECT k.search_condition_vc FROM SYS.ALL_CONSTRAINTS k
WHERE k.owner = :owner AND k.table_name = :name AND k.constraint_type = 'C'
  AND k.status = 'ENABLED' AND k.search_condition_vc NOT LIKE '%IS NOT NULL'
