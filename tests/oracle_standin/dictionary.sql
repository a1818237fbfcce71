-- Oracle look-alike objects inside PostgreSQL: schema ora
CREATE SCHEMA IF NOT EXISTS ora;
DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid=typnamespace WHERE nspname='ora' AND typname='clob') THEN
  CREATE TYPE ora.clob;
  CREATE FUNCTION ora.clobin(cstring) RETURNS ora.clob IMMUTABLE STRICT LANGUAGE internal AS 'textin';
  CREATE FUNCTION ora.clobout(ora.clob) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
  CREATE TYPE ora.clob (INPUT=ora.clobin, OUTPUT=ora.clobout, LIKE=text, CATEGORY='S');
  CREATE CAST (ora.clob AS text) WITHOUT FUNCTION AS IMPLICIT;
  CREATE CAST (text AS ora.clob) WITHOUT FUNCTION AS ASSIGNMENT;
  CREATE CAST (varchar AS ora.clob) WITHOUT FUNCTION AS ASSIGNMENT;
  CREATE TYPE ora.blob;
  CREATE FUNCTION ora.blobin(cstring) RETURNS ora.blob IMMUTABLE STRICT LANGUAGE internal AS 'byteain';
  CREATE FUNCTION ora.blobout(ora.blob) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'byteaout';
  CREATE TYPE ora.blob (INPUT=ora.blobin, OUTPUT=ora.blobout, LIKE=bytea);
  CREATE CAST (ora.blob AS bytea) WITHOUT FUNCTION AS IMPLICIT;
  CREATE CAST (bytea AS ora.blob) WITHOUT FUNCTION AS ASSIGNMENT;
  CREATE TYPE ora.rowid;
  CREATE FUNCTION ora.rowidin(cstring) RETURNS ora.rowid IMMUTABLE STRICT LANGUAGE internal AS 'textin';
  CREATE FUNCTION ora.rowidout(ora.rowid) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
  CREATE TYPE ora.rowid (INPUT=ora.rowidin, OUTPUT=ora.rowidout, LIKE=text);
  CREATE CAST (ora.rowid AS text) WITHOUT FUNCTION AS IMPLICIT;
  CREATE CAST (text AS ora.rowid) WITHOUT FUNCTION AS ASSIGNMENT;
END IF; END $$;

-- ROWID <-> ctid: OOOOOOFFFBBBBBBRRR (object 6, file 3, block 6, row 3; base64)
CREATE OR REPLACE FUNCTION ora.b64(v bigint, n int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
 SELECT string_agg(substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', ((v >> (6*i)) & 63)::int + 1, 1), '' ORDER BY i DESC) FROM generate_series(0,n-1) i $$;
CREATE OR REPLACE FUNCTION ora.unb64(s text) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
 SELECT sum((strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', substr(s,i,1))-1)::bigint << (6*(length(s)-i)))::bigint FROM generate_series(1,length(s)) i $$;
CREATE OR REPLACE FUNCTION ora.mkrowid(o oid, t tid) RETURNS ora.rowid STABLE STRICT LANGUAGE sql AS $$
 SELECT (ora.b64(o::bigint,6)||'AAB'||ora.b64(split_part(trim('()' from t::text),',',1)::bigint,6)||ora.b64(split_part(trim('()' from t::text),',',2)::bigint,3))::ora.rowid $$;
CREATE OR REPLACE FUNCTION ora.tidof(r text) RETURNS tid IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT ('('||ora.unb64(substr(r,10,6))||','||ora.unb64(substr(r,16,3))||')')::tid $$;
CREATE OR REPLACE FUNCTION ora.chartorowid(r text) RETURNS ora.rowid IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT r::ora.rowid $$;
CREATE OR REPLACE FUNCTION ora.rowidtochar(r ora.rowid) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT r::text $$;
CREATE OR REPLACE FUNCTION ora.ora_hash(v anyelement, maxb numeric DEFAULT 4294967295, seed numeric DEFAULT 0) RETURNS numeric IMMUTABLE LANGUAGE sql AS $$
 SELECT mod((hashtextextended(coalesce(v::text,''), seed::bigint) & 4294967295::bigint)::numeric, maxb+1) $$;

CREATE SEQUENCE IF NOT EXISTS ora.scn_seq START 1000000;
CREATE OR REPLACE FUNCTION ora.nextscn() RETURNS numeric LANGUAGE sql AS $$ SELECT nextval('ora.scn_seq')::numeric $$;
CREATE OR REPLACE FUNCTION ora.sys_context(ns text, k text) RETURNS varchar STABLE LANGUAGE sql AS $$
 SELECT CASE lower(k) WHEN 'current_schema' THEN current_schema::varchar WHEN 'session_user' THEN current_schema::varchar
   WHEN 'db_name' THEN 'STANDIN' WHEN 'sid' THEN pg_backend_pid()::varchar WHEN 'con_name' THEN 'FREEPDB1' END $$;

CREATE SCHEMA IF NOT EXISTS dbms_rowid;
CREATE OR REPLACE FUNCTION dbms_rowid.rowid_create(rowid_type numeric, object_number numeric, relative_fno numeric, block_number numeric, row_number numeric)
 RETURNS ora.rowid IMMUTABLE LANGUAGE sql AS $$ SELECT (ora.b64(object_number::bigint,6)||ora.b64(relative_fno::bigint,3)||ora.b64(block_number::bigint,6)||ora.b64(row_number::bigint,3))::ora.rowid $$;
CREATE OR REPLACE FUNCTION dbms_rowid.rowid_block_number(r ora.rowid, f text DEFAULT 'SMALLFILE') RETURNS numeric IMMUTABLE LANGUAGE sql AS $$ SELECT ora.unb64(substr(r::text,10,6))::numeric $$;

CREATE TABLE IF NOT EXISTS ora."DUAL" ("DUMMY" varchar(1));
INSERT INTO ora."DUAL" SELECT 'X' WHERE NOT EXISTS (SELECT 1 FROM ora."DUAL");

CREATE OR REPLACE VIEW ora."ALL_TABLES" AS SELECT n.nspname::varchar(128) AS "OWNER", c.relname::varchar(128) AS "TABLE_NAME", 'USERS'::varchar(30) AS "TABLESPACE_NAME",
   NULLIF(c.reltuples,-1)::numeric AS "NUM_ROWS", c.relpages::numeric AS "BLOCKS", 'NO'::varchar(3) AS "PARTITIONED", 'N'::varchar(1) AS "TEMPORARY",
   NULL::varchar(12) AS "IOT_TYPE", NULL::varchar(128) AS "CLUSTER_NAME", NULL::varchar(128) AS "IOT_NAME", NULL::varchar(15) AS "DURATION", 'VALID'::varchar(8) AS "STATUS"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind IN ('r','p') AND n.nspname = upper(n.nspname) ;
CREATE OR REPLACE VIEW ora."USER_TABLES" AS SELECT * FROM ora."ALL_TABLES" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_TAB_COLUMNS" AS SELECT n.nspname::varchar(128) "OWNER", c.relname::varchar(128) "TABLE_NAME", a.attname::varchar(128) "COLUMN_NAME",
  (CASE t.typname WHEN 'numeric' THEN 'NUMBER' WHEN 'varchar' THEN 'VARCHAR2' WHEN 'bpchar' THEN 'CHAR' WHEN 'timestamp' THEN CASE WHEN a.atttypmod=0 THEN 'DATE' ELSE 'TIMESTAMP('||CASE WHEN a.atttypmod<0 THEN 6 ELSE a.atttypmod END||')' END
     WHEN 'timestamptz' THEN 'TIMESTAMP(6) WITH TIME ZONE' WHEN 'float8' THEN 'BINARY_DOUBLE' WHEN 'float4' THEN 'BINARY_FLOAT' WHEN 'clob' THEN 'CLOB' WHEN 'blob' THEN 'BLOB' WHEN 'bytea' THEN 'RAW' ELSE upper(t.typname) END)::varchar(128) "DATA_TYPE",
  (CASE WHEN t.typname IN ('varchar','bpchar') THEN (a.atttypmod-4)*4 WHEN t.typname='numeric' THEN 22 WHEN t.typname='timestamp' THEN 7 ELSE 4000 END)::numeric "DATA_LENGTH",
  (CASE WHEN t.typname='numeric' AND a.atttypmod>=0 THEN ((a.atttypmod-4)>>16)&65535 END)::numeric "DATA_PRECISION",
  (CASE WHEN t.typname='numeric' AND a.atttypmod>=0 THEN (a.atttypmod-4)&2047 END)::numeric "DATA_SCALE",
  (CASE WHEN a.attnotnull THEN 'N' ELSE 'Y' END)::varchar(1) "NULLABLE", a.attnum::numeric "COLUMN_ID",
  (CASE WHEN t.typname IN ('varchar','bpchar') THEN a.atttypmod-4 ELSE 0 END)::numeric "CHAR_LENGTH", 'C'::varchar(1) "CHAR_USED",
  NULL::varchar(4000) "DATA_DEFAULT", NULL::numeric "NUM_DISTINCT", NULL::numeric "NUM_NULLS", NULL::bytea "LOW_VALUE", NULL::bytea "HIGH_VALUE"
 FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_type t ON t.oid=a.atttypid
 WHERE a.attnum>0 AND NOT a.attisdropped AND c.relkind IN ('r','p','v') AND n.nspname = upper(n.nspname);
CREATE OR REPLACE VIEW ora."USER_TAB_COLUMNS" AS SELECT * FROM ora."ALL_TAB_COLUMNS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."DBA_EXTENTS" AS
 SELECT c.relname::varchar(128) "SEGMENT_NAME", NULL::varchar(128) "PARTITION_NAME", 'TABLE'::varchar(18) "SEGMENT_TYPE", 'USERS'::varchar(30) "TABLESPACE_NAME", e::numeric "EXTENT_ID", (8*8192)::numeric "BYTES", 8::numeric "BLOCKS", (e*8)::numeric "BLOCK_ID", 1::numeric "RELATIVE_FNO", 1::numeric "FILE_ID", n.nspname::varchar(128) "OWNER"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace, generate_series(0, greatest((pg_relation_size(c.oid)/8192-1)/8,0)) e WHERE c.relkind='r' AND n.nspname=upper(n.nspname);
-- as in Oracle: USER_EXTENTS has no FILE_ID / BLOCK_ID / RELATIVE_FNO
CREATE OR REPLACE VIEW ora."USER_EXTENTS" AS SELECT "SEGMENT_NAME","PARTITION_NAME","SEGMENT_TYPE","TABLESPACE_NAME","EXTENT_ID","BYTES","BLOCKS" FROM ora."DBA_EXTENTS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_OBJECTS" AS SELECT n.nspname::varchar(128) "OWNER", c.relname::varchar(128) "OBJECT_NAME", c.oid::bigint::numeric "OBJECT_ID", c.oid::bigint::numeric "DATA_OBJECT_ID",
  (CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'i' THEN 'INDEX' ELSE 'SEQUENCE' END)::varchar(23) "OBJECT_TYPE", 'VALID'::varchar(7) "STATUS", NULL::varchar(128) "SUBOBJECT_NAME", LOCALTIMESTAMP(0)::timestamp(0) "CREATED" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."DBA_OBJECTS" AS SELECT * FROM ora."ALL_OBJECTS";
CREATE OR REPLACE VIEW ora."USER_OBJECTS" AS SELECT * FROM ora."ALL_OBJECTS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."USER_TAB_STATISTICS" AS SELECT "TABLE_NAME","NUM_ROWS","BLOCKS" FROM ora."USER_TABLES";
CREATE OR REPLACE VIEW ora."NLS_SESSION_PARAMETERS" AS SELECT 'NLS_NUMERIC_CHARACTERS'::varchar(30) "PARAMETER", '.,'::varchar(64) "VALUE" UNION ALL SELECT 'NLS_DATE_FORMAT','DD-MON-RR';
CREATE OR REPLACE VIEW ora."V$VERSION" AS SELECT 'Oracle Database 19c (stand-in over PostgreSQL)'::varchar(80) "BANNER";
CREATE OR REPLACE VIEW ora."V$PARAMETER" AS SELECT 'compatible'::varchar(80) "NAME", '19.0.0'::varchar(4000) "VALUE";
CREATE TABLE IF NOT EXISTS ora."USER_PARALLEL_EXECUTE_CHUNKS" ("TASK_NAME" varchar(128), "CHUNK_ID" numeric, "START_ROWID" ora.rowid, "END_ROWID" ora.rowid, "START_ID" numeric, "END_ID" numeric, "STATUS" varchar(20) DEFAULT 'UNASSIGNED');
CREATE SCHEMA IF NOT EXISTS dbms_parallel_execute;
CREATE OR REPLACE FUNCTION dbms_parallel_execute.create_task(task_name text, comment text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$ DELETE FROM ora."USER_PARALLEL_EXECUTE_CHUNKS" WHERE "TASK_NAME"=task_name $$;
CREATE OR REPLACE FUNCTION dbms_parallel_execute.drop_task(task_name text) RETURNS void LANGUAGE sql AS $$ DELETE FROM ora."USER_PARALLEL_EXECUTE_CHUNKS" WHERE "TASK_NAME"=task_name $$;
CREATE OR REPLACE FUNCTION dbms_parallel_execute.create_chunks_by_rowid(task_name text, table_owner text, table_name text, by_row boolean, chunk_size numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE o oid := (quote_ident(table_owner)||'.'||quote_ident(table_name))::regclass; nb bigint := greatest(pg_relation_size(o)/8192,1); rpb numeric; step bigint;
BEGIN
  SELECT CASE WHEN by_row THEN greatest(1, ceil(chunk_size / greatest(1, count(*)::numeric / nb))) ELSE chunk_size END::bigint INTO step FROM (SELECT 1) x, LATERAL (SELECT greatest(reltuples,nb*50)::bigint c FROM pg_class WHERE oid=o) y GROUP BY y.c;
  EXECUTE format('SELECT greatest(1,count(*)::numeric/%s) FROM %s', nb, o::regclass) INTO rpb;
  step := CASE WHEN by_row THEN greatest(1, ceil(chunk_size/rpb)) ELSE chunk_size END;
  INSERT INTO ora."USER_PARALLEL_EXECUTE_CHUNKS"("TASK_NAME","CHUNK_ID","START_ROWID","END_ROWID")
  SELECT task_name, row_number() over (), (ora.b64(o::bigint,6)||'AAB'||ora.b64(b,6)||'AAA')::ora.rowid, (ora.b64(o::bigint,6)||'AAB'||ora.b64(least(b+step,nb)-1,6)||ora.b64(32767,3))::ora.rowid FROM generate_series(0,nb-1,step) b;
END $$;
CREATE OR REPLACE VIEW ora."ALL_VIEWS" AS SELECT n.nspname::varchar(128) AS "OWNER", c.relname::varchar(128) AS "VIEW_NAME", pg_get_viewdef(c.oid)::ora.clob AS "TEXT" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind='v' AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_MVIEWS" AS SELECT NULL::varchar(128) AS "OWNER", NULL::varchar(128) AS "MVIEW_NAME" WHERE false;
CREATE OR REPLACE VIEW ora."ALL_SYNONYMS" AS SELECT NULL::varchar(128) "OWNER", NULL::varchar(128) "SYNONYM_NAME", NULL::varchar(128) "TABLE_OWNER", NULL::varchar(128) "TABLE_NAME", NULL::varchar(128) "DB_LINK" WHERE false;
CREATE OR REPLACE VIEW ora."ALL_TAB_COLS" AS SELECT c.*, 'NO'::varchar(3) "VIRTUAL_COLUMN", 'NO'::varchar(3) "HIDDEN_COLUMN", 'NO'::varchar(3) "DEFAULT_ON_NULL", NULL::varchar(100) "COLLATION" FROM ora."ALL_TAB_COLUMNS" c;
CREATE OR REPLACE VIEW ora."ALL_COL_COMMENTS" AS SELECT "OWNER","TABLE_NAME","COLUMN_NAME", NULL::varchar(4000) "COMMENTS" FROM ora."ALL_TAB_COLUMNS";
CREATE OR REPLACE VIEW ora."ALL_TAB_COMMENTS" AS SELECT "OWNER","TABLE_NAME", (SELECT obj_description(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname="OWNER" AND c.relname="TABLE_NAME")::varchar(4000) "COMMENTS" FROM ora."ALL_TABLES";
CREATE OR REPLACE VIEW ora."ALL_TAB_IDENTITY_COLS" AS SELECT NULL::varchar(128) "OWNER", NULL::varchar(128) "TABLE_NAME", NULL::varchar(128) "COLUMN_NAME", NULL::varchar(10) "GENERATION_TYPE", NULL::varchar(298) "IDENTITY_OPTIONS" WHERE false;
CREATE OR REPLACE VIEW ora."ALL_CONSTRAINTS" AS SELECT n.nspname::varchar(128) "OWNER", k.conname::varchar(128) "CONSTRAINT_NAME", upper(CASE k.contype WHEN 'f' THEN 'R' ELSE k.contype::text END)::varchar(1) "CONSTRAINT_TYPE", c.relname::varchar(128) "TABLE_NAME",
   NULL::varchar(4000) "SEARCH_CONDITION", (CASE k.contype WHEN 'c' THEN regexp_replace(pg_get_expr(k.conbin, k.conrelid), '::[a-z ]+(\([0-9,]*\))?', '', 'g') END)::varchar(4000) "SEARCH_CONDITION_VC", fn.nspname::varchar(128) "R_OWNER", fk.conname::varchar(128) "R_CONSTRAINT_NAME", 'NO ACTION'::varchar(9) "DELETE_RULE", 'ENABLED'::varchar(8) "STATUS", k.conname::varchar(128) "INDEX_NAME"
 FROM pg_constraint k JOIN pg_class c ON c.oid=k.conrelid JOIN pg_namespace n ON n.oid=c.relnamespace LEFT JOIN pg_constraint fk ON fk.conrelid=k.confrelid AND fk.contype='p' LEFT JOIN pg_namespace fn ON fn.oid=fk.connamespace WHERE n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."USER_CONSTRAINTS" AS SELECT * FROM ora."ALL_CONSTRAINTS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_CONS_COLUMNS" AS SELECT n.nspname::varchar(128) "OWNER", k.conname::varchar(128) "CONSTRAINT_NAME", c.relname::varchar(128) "TABLE_NAME", a.attname::varchar(4000) "COLUMN_NAME", x.ord::numeric "POSITION"
 FROM pg_constraint k JOIN pg_class c ON c.oid=k.conrelid JOIN pg_namespace n ON n.oid=c.relnamespace, unnest(k.conkey) WITH ORDINALITY x(att,ord), pg_attribute a WHERE a.attrelid=c.oid AND a.attnum=x.att AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."USER_CONS_COLUMNS" AS SELECT * FROM ora."ALL_CONS_COLUMNS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_INDEXES" AS SELECT n.nspname::varchar(128) "OWNER", i.relname::varchar(128) "INDEX_NAME", 'NORMAL'::varchar(27) "INDEX_TYPE", n.nspname::varchar(128) "TABLE_OWNER", c.relname::varchar(128) "TABLE_NAME", (CASE WHEN x.indisunique THEN 'UNIQUE' ELSE 'NONUNIQUE' END)::varchar(9) "UNIQUENESS", 'DISABLED'::varchar(13) "COMPRESSION", NULL::numeric "PREFIX_LENGTH", 'VALID'::varchar(8) "STATUS", x.indnkeyatts::numeric "LEAF_BLOCKS", NULL::numeric "DISTINCT_KEYS"
 FROM pg_index x JOIN pg_class i ON i.oid=x.indexrelid JOIN pg_class c ON c.oid=x.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_IND_COLUMNS" AS SELECT n.nspname::varchar(128) "INDEX_OWNER", i.relname::varchar(128) "INDEX_NAME", n.nspname::varchar(128) "TABLE_OWNER", c.relname::varchar(128) "TABLE_NAME", a.attname::varchar(4000) "COLUMN_NAME", k.ord::numeric "COLUMN_POSITION", 'ASC'::varchar(4) "DESCEND"
 FROM pg_index x JOIN pg_class i ON i.oid=x.indexrelid JOIN pg_class c ON c.oid=x.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace, unnest(x.indkey::int2[]) WITH ORDINALITY k(att,ord), pg_attribute a WHERE a.attrelid=c.oid AND a.attnum=k.att AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_IND_EXPRESSIONS" AS SELECT NULL::varchar(128) "INDEX_OWNER", NULL::varchar(128) "INDEX_NAME", NULL::varchar(128) "TABLE_OWNER", NULL::varchar(128) "TABLE_NAME", NULL::varchar(4000) "COLUMN_EXPRESSION", NULL::numeric "COLUMN_POSITION" WHERE false;
CREATE OR REPLACE VIEW ora."ALL_SEQUENCES" AS SELECT n.nspname::varchar(128) "SEQUENCE_OWNER", c.relname::varchar(128) "SEQUENCE_NAME" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind='S' AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_USERS" AS SELECT nspname::varchar(128) "USERNAME" FROM pg_namespace WHERE nspname=upper(nspname);
CREATE OR REPLACE VIEW ora."V$DATABASE" AS SELECT 1::numeric "DBID", 'STANDIN'::varchar(9) "NAME", ora.nextscn() "CURRENT_SCN";

CREATE OR REPLACE VIEW ora."SESSION_PRIVS" AS SELECT 'CREATE TABLE'::varchar(40) AS "PRIVILEGE";
DROP VIEW IF EXISTS ora."ALL_EXTERNAL_TABLES"; CREATE VIEW ora."ALL_EXTERNAL_TABLES" AS SELECT NULL::varchar(128) "OWNER", NULL::varchar(128) "TABLE_NAME" WHERE false;
DROP VIEW IF EXISTS ora."ALL_PROCEDURES"; CREATE VIEW ora."ALL_PROCEDURES" AS SELECT NULL::varchar(128) "OWNER", NULL::varchar(128) "OBJECT_NAME", NULL::varchar(128) "PROCEDURE_NAME", NULL::varchar(3) "AGGREGATE", NULL::varchar(3) "DETERMINISTIC" WHERE false;

CREATE OR REPLACE FUNCTION ora.numtodsinterval(n numeric, u text) RETURNS interval IMMUTABLE LANGUAGE sql AS $$ SELECT n * ('1 '||u)::interval $$;
CREATE OR REPLACE FUNCTION ora.minus_days(t timestamp, n numeric) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t - n * interval '1 day' $$;
CREATE OR REPLACE FUNCTION ora.minus_days(t timestamp, n float8) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t - n * interval '1 day' $$;
DO $$ BEGIN CREATE OPERATOR ora.- (LEFTARG=timestamp, RIGHTARG=float8, FUNCTION=ora.minus_days); CREATE OPERATOR ora.- (LEFTARG=timestamp, RIGHTARG=numeric, FUNCTION=ora.minus_days); EXCEPTION WHEN duplicate_function THEN NULL; END $$;
CREATE OR REPLACE FUNCTION ora.sys_extract_utc(t timestamptz) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION ora.from_tz(t timestamp, z text) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$ SELECT t AT TIME ZONE z $$;
DROP VIEW IF EXISTS ora."V$SESSION"; CREATE VIEW ora."V$SESSION" AS SELECT pid::varchar(20) "SID", 1::numeric "SERIAL#", current_schema()::varchar(128) "USERNAME", application_name::varchar(64) "CLIENT_IDENTIFIER", (CASE state WHEN 'active' THEN 'ACTIVE' ELSE 'INACTIVE' END)::varchar(8) "STATUS", extract(epoch from now()-state_change)::numeric "LAST_CALL_ET" FROM pg_stat_activity WHERE application_name LIKE 'mapper_dask%';

CREATE OR REPLACE FUNCTION ora.to_char(n numeric, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN f='TM9' THEN regexp_replace(trim_scale(n)::text, '^(-?)0\.', '\1.') ELSE pg_catalog.to_char(n,f) END $$;
CREATE OR REPLACE FUNCTION ora.to_char(t timestamp, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN f LIKE 'SYYYY%' THEN ' '||pg_catalog.to_char(t, replace(substr(f,2),'.FF9',''))||CASE WHEN f LIKE '%.FF9' THEN pg_catalog.to_char(t,'.US000') ELSE '' END ELSE pg_catalog.to_char(t,f) END $$;
-- no NaN, no infinity, and nothing from 1e126 on: 22P02 is ORA-01722, 22003 is ORA-01426
CREATE OR REPLACE FUNCTION ora.to_number(t text) RETURNS numeric IMMUTABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
  IF t !~ '^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$' THEN RAISE invalid_text_representation; END IF;
  IF abs(t::numeric) >= 1e126 THEN RAISE numeric_value_out_of_range USING MESSAGE = 'numeric overflow'; END IF;
  RETURN t::numeric;
END $$;
CREATE OR REPLACE FUNCTION ora.to_date(t text, f text) RETURNS timestamp(0) IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT trim(t)::timestamp(0) $$;
CREATE OR REPLACE FUNCTION ora.to_timestamp(t text, f text) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT trim(t)::timestamp $$;
