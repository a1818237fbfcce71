-- What to grant the login on the tables of flows: a login sees no table here that it may not read.
SELECT NULL FROM SYS.DUAL WHERE 1 = 0
