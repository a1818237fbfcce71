-- What a session was given by its login, its surroundings and a trigger at logon; and what characters
-- its database holds.
SELECT parameter, value FROM SYS.NLS_SESSION_PARAMETERS
UNION ALL SELECT 'TIME_ZONE', SESSIONTIMEZONE FROM SYS.DUAL
UNION ALL SELECT parameter, value FROM SYS.NLS_DATABASE_PARAMETERS WHERE parameter = 'NLS_CHARACTERSET'
