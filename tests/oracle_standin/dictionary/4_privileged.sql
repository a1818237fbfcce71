-- What only a user with the right sees: this schema is in nobody else's search path.
CREATE SCHEMA ora_dba;
CREATE VIEW ora_dba."DBA_EXTENTS" AS
 SELECT c.relname::varchar(128) "SEGMENT_NAME", NULL::varchar(128) "PARTITION_NAME", 'TABLE'::varchar(18) "SEGMENT_TYPE", 'USERS'::varchar(30) "TABLESPACE_NAME", e::numeric "EXTENT_ID", (8*8192)::numeric "BYTES", 8::numeric "BLOCKS", (e*8)::numeric "BLOCK_ID", 1::numeric "RELATIVE_FNO", 1::numeric "FILE_ID", n.nspname::varchar(128) "OWNER"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace, generate_series(0, greatest((pg_relation_size(c.oid)/8192-1)/8,0)) e WHERE c.relkind='r' AND n.nspname=upper(n.nspname);
CREATE VIEW ora_dba."DBA_OBJECTS" AS SELECT * FROM ora."ALL_OBJECTS";
CREATE VIEW ora_dba."V$VERSION" AS SELECT 'Oracle Database 19c (stand-in over PostgreSQL)'::varchar(80) "BANNER";
CREATE VIEW ora_dba."V$PARAMETER" AS SELECT 'compatible'::varchar(80) "NAME", '19.0.0'::varchar(4000) "VALUE";
CREATE VIEW ora_dba."V$DATABASE" AS SELECT 1::numeric "DBID", 'STANDIN'::varchar(9) "NAME", ora.nextscn() "CURRENT_SCN";
-- a session's name is USER|client identifier: see session.py
CREATE VIEW ora_dba."V$SESSION" AS SELECT pid::numeric "SID", pid::varchar(16) "SADDR", 1::numeric "SERIAL#", split_part(application_name, '|', 1)::varchar(128) "USERNAME", nullif(substr(application_name, strpos(application_name, '|') + 1), '')::varchar(64) "CLIENT_IDENTIFIER",
   (CASE state WHEN 'active' THEN 'ACTIVE' ELSE 'INACTIVE' END)::varchar(8) "STATUS", floor(extract(epoch from clock_timestamp()-state_change))::numeric "LAST_CALL_ET", backend_start::timestamp(0) "LOGON_TIME"
 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%|%';
-- as in Oracle: USER_EXTENTS has no FILE_ID / BLOCK_ID / RELATIVE_FNO, and everybody has it
CREATE OR REPLACE VIEW ora."USER_EXTENTS" AS SELECT "SEGMENT_NAME","PARTITION_NAME","SEGMENT_TYPE","TABLESPACE_NAME","EXTENT_ID","BYTES","BLOCKS" FROM ora_dba."DBA_EXTENTS" WHERE "OWNER"=current_schema;
-- transactions that have written; a prepared one would have no session
CREATE VIEW ora_dba."V$TRANSACTION" AS SELECT pid::varchar(16) "ADDR", pid::varchar(16) "SES_ADDR", 1::numeric "XIDUSN", 1::numeric "XIDSLOT", (backend_xid::text)::numeric "XIDSQN",
   'ACTIVE'::varchar(16) "STATUS", to_char(xact_start, 'MM/DD/YY HH24:MI:SS')::varchar(20) "START_TIME", xact_start::timestamp(0) "START_DATE"
 FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL;
