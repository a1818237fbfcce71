-- Where unqualified tables would be made, by whom, and whether that login may make them there.
SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), SYS_CONTEXT('USERENV', 'SESSION_USER'),
       SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), COUNT(*)
FROM SYS.SESSION_PRIVS WHERE privilege IN ('CREATE TABLE', 'CREATE ANY TABLE')
