-- What to grant the login on the tables of flows: nobody sees a table here that they may not read.
SELECT NULL FROM SYS.DUAL WHERE 1 = 0
