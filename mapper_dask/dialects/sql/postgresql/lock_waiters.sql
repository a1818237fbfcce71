-- Sessions that wait for a lock on what the sessions of a name hold locked: sessions that want to
-- read it afterwards wait behind them.
SELECT w.pid, coalesce(w.usename::pg_catalog.text, ''), coalesce(w.query, ''), w_lock.mode,
       pg_catalog.concat(n.nspname, '.', c.relname)
FROM pg_catalog.pg_locks w_lock
JOIN pg_catalog.pg_stat_activity w ON w.pid OPERATOR(pg_catalog.=) w_lock.pid
JOIN pg_catalog.pg_locks held
  ON held.granted AND held.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text
 AND held.database OPERATOR(pg_catalog.=) w_lock.database
 AND held.relation OPERATOR(pg_catalog.=) w_lock.relation
JOIN pg_catalog.pg_stat_activity k ON k.pid OPERATOR(pg_catalog.=) held.pid
 AND k.application_name OPERATOR(pg_catalog.=) %(name)s::pg_catalog.text
 AND k.usename OPERATOR(pg_catalog.=) current_user
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w_lock.relation
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE NOT w_lock.granted AND w_lock.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text
  AND w_lock.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'::pg_catalog.text
  AND w_lock.database OPERATOR(pg_catalog.=) (
      SELECT d.oid FROM pg_catalog.pg_database d
      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
ORDER BY 1
