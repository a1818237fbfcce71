-- The sessions of this login that work on chunks: of a whole run, or of one chunk; never this one.
SELECT s.sid, s.serial# FROM SYS.V_$SESSION s
WHERE s.username = SYS_CONTEXT('USERENV', 'SESSION_USER') AND REGEXP_LIKE(s.client_identifier, :pattern)
  AND s.sid <> SYS_CONTEXT('USERENV', 'SID')
  AND (:seconds < 0 OR (s.status = 'INACTIVE' AND s.last_call_et > :seconds))
