-- What a session was given by its login, its surroundings and a trigger at logon.
SELECT parameter, value FROM SYS.NLS_SESSION_PARAMETERS
UNION ALL SELECT 'TIME_ZONE', SESSIONTIMEZONE FROM SYS.DUAL
