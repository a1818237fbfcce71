-- Whether a table may take a row only once others are in it: constraints that can wait, keys to itself.
SELECT COUNT(*)
FROM SYS.ALL_CONSTRAINTS f
LEFT JOIN SYS.ALL_CONSTRAINTS k ON k.owner = f.r_owner AND k.constraint_name = f.r_constraint_name
WHERE f.owner = :owner AND f.table_name = :name
  AND (f.deferrable = 'DEFERRABLE' OR (k.owner = f.owner AND k.table_name = f.table_name))
