-- The tables with a foreign key to a table; its own keys to itself are not among them.
SELECT DISTINCT f.owner || '.' || f.table_name
FROM SYS.ALL_CONSTRAINTS f
JOIN SYS.ALL_CONSTRAINTS k ON k.owner = f.r_owner AND k.constraint_name = f.r_constraint_name
WHERE f.constraint_type = 'R' AND k.owner = :owner AND k.table_name = :name
  AND NOT (f.owner = k.owner AND f.table_name = k.table_name)
ORDER BY 1
