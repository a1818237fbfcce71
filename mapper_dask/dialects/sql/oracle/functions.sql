-- A function of the user's by one name: whether it folds rows, and whether its answer may change.
SELECT CASE WHEN p.aggregate = 'YES' THEN 1 ELSE 0 END,
       CASE WHEN p.deterministic = 'YES' THEN 0 ELSE 1 END
FROM SYS.ALL_PROCEDURES p
WHERE p.owner NOT IN ('SYS', 'SYSTEM', 'PUBLIC') AND NVL(p.procedure_name, p.object_name) = :name
