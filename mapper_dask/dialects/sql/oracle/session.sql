-- A commit that is acknowledged is kept, whatever the session was given.
ALTER SESSION SET COMMIT_WAIT = WAIT
