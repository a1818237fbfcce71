-- Which server this is, and how many sessions and processes it has free.
SELECT SYS_CONTEXT('USERENV', 'DB_UNIQUE_NAME'), NULL AS part,
  MIN(CASE WHEN TRIM(limit_value) <> 'UNLIMITED'
           THEN TO_NUMBER(TRIM(limit_value)) - current_utilization END)
FROM v$resource_limit WHERE resource_name IN ('processes', 'sessions')
