-- Which server this is, and how many sessions and processes it has free.
SELECT SYS_CONTEXT('USERENV', 'DB_UNIQUE_NAME'), NULL AS part,
  MIN(CASE WHEN TRIM(limit_value) <> 'UNLIMITED'
           THEN TO_NUMBER(TRIM(limit_value)) - current_utilization END)
FROM SYS.V_$RESOURCE_LIMIT WHERE resource_name IN ('processes', 'sessions')
