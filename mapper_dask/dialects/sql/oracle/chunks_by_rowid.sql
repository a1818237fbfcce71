-- Let the database cut a table by row addresses: any login may, where it may write.
BEGIN SYS.DBMS_PARALLEL_EXECUTE.CREATE_TASK(:task); END;
/
BEGIN SYS.DBMS_PARALLEL_EXECUTE.CREATE_CHUNKS_BY_ROWID(:task, :owner, :name, FALSE, :blocks); END;
/
SELECT ROWIDTOCHAR(c.start_rowid) FROM SYS.USER_PARALLEL_EXECUTE_CHUNKS c
WHERE c.task_name = :task ORDER BY c.start_rowid
