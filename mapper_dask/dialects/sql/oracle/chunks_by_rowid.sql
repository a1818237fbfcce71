-- Let the database cut a table by row addresses: any login may, where it may write.
BEGIN DBMS_PARALLEL_EXECUTE.CREATE_TASK(:task); END;
/
BEGIN DBMS_PARALLEL_EXECUTE.CREATE_CHUNKS_BY_ROWID(:task, :owner, :name, FALSE, :blocks); END;
/
SELECT ROWIDTOCHAR(c.start_rowid) FROM user_parallel_execute_chunks c
WHERE c.task_name = :task ORDER BY c.start_rowid
