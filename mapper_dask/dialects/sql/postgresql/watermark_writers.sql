-- Transactions of other sessions that have taken a lock to write to some relations: those with rows
-- there that are not committed. One that is prepared holds its locks without a session.
SELECT DISTINCT l.virtualtransaction, l.pid, a.usename::pg_catalog.text, a.xact_start::pg_catalog.text
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
  AND l.granted
  AND l.mode OPERATOR(pg_catalog.=) ANY (ARRAY[
      'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'])
  AND l.relation OPERATOR(pg_catalog.=) ANY (%(relations)s::pg_catalog.oid[])
  AND l.database OPERATOR(pg_catalog.=) (
      SELECT d.oid FROM pg_catalog.pg_database d
      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())
ORDER BY 1
