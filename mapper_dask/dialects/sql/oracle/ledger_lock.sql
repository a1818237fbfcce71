-- Nothing: whoever makes a table that another has made meanwhile goes on with that one.
SELECT 1 FROM SYS.DUAL
