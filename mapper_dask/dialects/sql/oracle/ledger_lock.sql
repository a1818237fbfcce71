-- Nothing: if another session has made a table meanwhile, its creator continues with that one.
SELECT 1 FROM SYS.DUAL
