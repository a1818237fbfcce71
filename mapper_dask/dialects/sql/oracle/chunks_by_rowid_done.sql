-- Forget how the database cut a table.
BEGIN DBMS_PARALLEL_EXECUTE.DROP_TASK(:task); END;
