-- Transactions of other sessions that have written and not ended, prepared ones among them.
SELECT TO_CHAR(t.xidusn) || '.' || TO_CHAR(t.xidslot) || '.' || TO_CHAR(t.xidsqn), s.sid, s.username,
       t.start_time
FROM SYS.V_$TRANSACTION t LEFT JOIN SYS.V_$SESSION s ON s.saddr = t.ses_addr
WHERE s.sid IS NULL OR s.sid <> SYS_CONTEXT('USERENV', 'SID')
ORDER BY 1
