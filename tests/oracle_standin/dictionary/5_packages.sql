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
CREATE SCHEMA dbms_stats;
CREATE FUNCTION dbms_stats.gather_table_stats(ownname text, tabname text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ANALYZE %I.%I', ownname, tabname); END $$;
CREATE SCHEMA dbms_random;
CREATE FUNCTION dbms_random.value() RETURNS numeric VOLATILE LANGUAGE sql AS $$ SELECT random()::numeric $$;
CREATE FUNCTION dbms_random.value(low numeric, high numeric) RETURNS numeric VOLATILE LANGUAGE sql AS $$ SELECT low + random()::numeric * (high - low) $$;
CREATE SCHEMA dbms_lob;
CREATE FUNCTION dbms_lob.getlength(l text) RETURNS numeric IMMUTABLE LANGUAGE sql AS $$ SELECT length(l)::numeric $$;
