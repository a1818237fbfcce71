-- Forget how the database cut a table.
BEGIN SYS.DBMS_PARALLEL_EXECUTE.DROP_TASK(:task); END;
