-- The tables of direct path loads whose names begin so.
SELECT owner, table_name FROM SYS.ALL_TABLES
WHERE owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND SUBSTR(table_name, 1, LENGTH(:prefix)) = :prefix
