-- what CREATE VIEW and CREATE SYNONYM said, and what a table is taken for that is a plain one here
CREATE TABLE ora.view_texts (view oid PRIMARY KEY, body text NOT NULL);
CREATE TABLE ora.view_synonyms (view oid NOT NULL, owner varchar(128) NOT NULL, name varchar(128) NOT NULL);
CREATE TABLE ora.synonyms (owner varchar(128), name varchar(128), table_owner varchar(128), table_name varchar(128), link varchar(128), PRIMARY KEY (owner, name));
CREATE TABLE ora.taken_for (owner varchar(128), name varchar(128), kind text NOT NULL CHECK (kind IN ('temporary', 'external')), PRIMARY KEY (owner, name));

CREATE OR REPLACE VIEW ora."ALL_TABLES" AS SELECT n.nspname::varchar(128) AS "OWNER", c.relname::varchar(128) AS "TABLE_NAME", 'USERS'::varchar(30) AS "TABLESPACE_NAME",
   NULLIF(c.reltuples,-1)::numeric AS "NUM_ROWS", c.relpages::numeric AS "BLOCKS", 'NO'::varchar(3) AS "PARTITIONED", (CASE WHEN EXISTS (SELECT 1 FROM ora.taken_for k WHERE k.owner=n.nspname AND k.name=c.relname AND k.kind='temporary') THEN 'Y' ELSE 'N' END)::varchar(1) AS "TEMPORARY",
   NULL::varchar(12) AS "IOT_TYPE", NULL::varchar(128) AS "CLUSTER_NAME", NULL::varchar(128) AS "IOT_NAME", NULL::varchar(15) AS "DURATION", 'VALID'::varchar(8) AS "STATUS", 'DISABLED'::varchar(8) AS "ROW_MOVEMENT"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind IN ('r','p','m') AND n.nspname = upper(n.nspname) ;
CREATE OR REPLACE VIEW ora."USER_TABLES" AS SELECT * FROM ora."ALL_TABLES" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_TAB_COLUMNS" AS SELECT n.nspname::varchar(128) "OWNER", c.relname::varchar(128) "TABLE_NAME", a.attname::varchar(128) "COLUMN_NAME",
  ora.data_type(t.typname, a.atttypmod)::varchar(128) "DATA_TYPE",
  (CASE WHEN t.typname IN ('varchar','bpchar') THEN (a.atttypmod-4)*4 WHEN t.typname IN ('nvarchar','nchar') THEN (a.atttypmod-4)*2 WHEN t.typname IN ('numeric','float') THEN 22 WHEN t.typname='timestamp' THEN 7 ELSE 4000 END)::numeric "DATA_LENGTH",
  (CASE WHEN t.typname='numeric' AND a.atttypmod>=0 THEN ((a.atttypmod-4)>>16)&65535 WHEN t.typname='float' THEN 126 END)::numeric "DATA_PRECISION",
  (CASE WHEN t.typname='numeric' AND a.atttypmod>=0 THEN (a.atttypmod-4)&2047 END)::numeric "DATA_SCALE",
  (CASE WHEN a.attnotnull THEN 'N' ELSE 'Y' END)::varchar(1) "NULLABLE", a.attnum::numeric "COLUMN_ID",
  (CASE WHEN t.typname IN ('varchar','bpchar','nvarchar','nchar') THEN a.atttypmod-4 ELSE 0 END)::numeric "CHAR_LENGTH", 'C'::varchar(1) "CHAR_USED",
  NULL::varchar(4000) "DATA_DEFAULT", (CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples ELSE s.n_distinct END)::numeric "NUM_DISTINCT", (s.null_frac * c.reltuples)::numeric "NUM_NULLS", NULL::bytea "LOW_VALUE", NULL::bytea "HIGH_VALUE"
 FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_type t ON t.oid=a.atttypid
 LEFT JOIN pg_stats s ON s.schemaname=n.nspname AND s.tablename=c.relname AND s.attname=a.attname
 WHERE a.attnum>0 AND NOT a.attisdropped AND c.relkind IN ('r','p','v','m') AND n.nspname = upper(n.nspname);
CREATE OR REPLACE VIEW ora."USER_TAB_COLUMNS" AS SELECT * FROM ora."ALL_TAB_COLUMNS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."ALL_OBJECTS" AS SELECT n.nspname::varchar(128) "OWNER", c.relname::varchar(128) "OBJECT_NAME", c.oid::bigint::numeric "OBJECT_ID", nullif(c.relfilenode::bigint, 0)::numeric "DATA_OBJECT_ID",
  (CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'm' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'i' THEN 'INDEX' ELSE 'SEQUENCE' END)::varchar(23) "OBJECT_TYPE", 'VALID'::varchar(7) "STATUS", NULL::varchar(128) "SUBOBJECT_NAME", LOCALTIMESTAMP(0)::timestamp(0) "CREATED" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=upper(n.nspname)
UNION ALL SELECT n.nspname, c.relname, c.oid::bigint::numeric, NULL, 'MATERIALIZED VIEW', 'VALID', NULL, LOCALTIMESTAMP(0) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind='m' AND n.nspname=upper(n.nspname)
UNION ALL SELECT s.owner, s.name, NULL, NULL, 'SYNONYM', 'VALID', NULL, LOCALTIMESTAMP(0) FROM ora.synonyms s;
CREATE OR REPLACE VIEW ora."USER_OBJECTS" AS SELECT * FROM ora."ALL_OBJECTS" WHERE "OWNER"=current_schema;
CREATE OR REPLACE VIEW ora."USER_TAB_STATISTICS" AS SELECT "TABLE_NAME","NUM_ROWS","BLOCKS" FROM ora."USER_TABLES";
CREATE OR REPLACE VIEW ora."NLS_SESSION_PARAMETERS" AS SELECT name::varchar(30) "PARAMETER", coalesce(nullif(current_setting('ora.' || lower(name), true), ''), value)::varchar(64) "VALUE"
 FROM (VALUES ('NLS_LANGUAGE', 'AMERICAN'), ('NLS_TERRITORY', 'AMERICA'), ('NLS_NUMERIC_CHARACTERS', '.,'), ('NLS_CALENDAR', 'GREGORIAN'), ('NLS_DATE_FORMAT', 'DD-MON-RR'), ('NLS_DATE_LANGUAGE', 'AMERICAN'),
 ('NLS_TIMESTAMP_FORMAT', 'DD-MON-RR HH.MI.SSXFF AM'), ('NLS_TIMESTAMP_TZ_FORMAT', 'DD-MON-RR HH.MI.SSXFF AM TZR'), ('NLS_SORT', 'BINARY'), ('NLS_COMP', 'BINARY')) AS p (name, value);
CREATE OR REPLACE VIEW ora."NLS_DATABASE_PARAMETERS" AS SELECT 'NLS_CHARACTERSET'::varchar(128) "PARAMETER", coalesce(nullif(current_setting('ora.nls_characterset', true), ''), 'AL32UTF8')::varchar(64) "VALUE";
CREATE OR REPLACE VIEW ora."ALL_VIEWS" AS SELECT n.nspname::varchar(128) AS "OWNER", c.relname::varchar(128) AS "VIEW_NAME", length(coalesce(t.body, pg_get_viewdef(c.oid)))::numeric AS "TEXT_LENGTH", coalesce(t.body, pg_get_viewdef(c.oid))::ora.clob AS "TEXT", left(coalesce(t.body, pg_get_viewdef(c.oid)), 4000)::varchar(4000) AS "TEXT_VC" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace LEFT JOIN ora.view_texts t ON t.view=c.oid WHERE c.relkind='v' AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_MVIEWS" AS SELECT n.nspname::varchar(128) AS "OWNER", c.relname::varchar(128) AS "MVIEW_NAME" FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE c.relkind='m' AND n.nspname=upper(n.nspname);
-- packages are schemas of PostgreSQL's: those of SYS by their names, a user's by a comment "package of USER"
CREATE VIEW ora.packages AS SELECT n.oid, upper(n.nspname)::varchar(128) AS name, (CASE WHEN n.nspname ~ '^(dbms|utl)_' THEN 'SYS' ELSE substr(obj_description(n.oid, 'pg_namespace'), 12) END)::varchar(128) AS owner
 FROM pg_namespace n WHERE n.nspname ~ '^(dbms|utl)_' OR obj_description(n.oid, 'pg_namespace') LIKE 'package of %';
-- all that is SYS's and for everybody has a public synonym
CREATE OR REPLACE VIEW ora."ALL_SYNONYMS" AS SELECT s.owner "OWNER", s.name "SYNONYM_NAME", s.table_owner "TABLE_OWNER", s.table_name "TABLE_NAME", s.link "DB_LINK" FROM ora.synonyms s
UNION ALL SELECT 'PUBLIC', c.relname::varchar(128), 'SYS', c.relname::varchar(128), NULL FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname='ora' AND c.relkind IN ('r','v') AND c.relname=upper(c.relname)
UNION ALL SELECT 'PUBLIC', p.name, 'SYS', p.name, NULL FROM ora.packages p WHERE p.owner='SYS';
-- what the query of a view names, resolved; Oracle keeps a synonym and also what it stands for
CREATE VIEW ora."ALL_DEPENDENCIES" AS
WITH used AS (SELECT DISTINCT n.nspname, v.relname, d.refclassid, d.refobjid FROM pg_depend d JOIN pg_rewrite r ON d.classid='pg_rewrite'::regclass AND d.objid=r.oid JOIN pg_class v ON v.oid=r.ev_class JOIN pg_namespace n ON n.oid=v.relnamespace WHERE v.relkind='v' AND n.nspname=upper(n.nspname) AND d.refobjid<>v.oid)
SELECT u.nspname::varchar(128) "OWNER", u.relname::varchar(128) "NAME", 'VIEW'::varchar(19) "TYPE", (CASE rn.nspname WHEN 'ora' THEN 'SYS' ELSE rn.nspname END)::varchar(128) "REFERENCED_OWNER", rc.relname::varchar(128) "REFERENCED_NAME", (CASE rc.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END)::varchar(19) "REFERENCED_TYPE", NULL::varchar(128) "REFERENCED_LINK_NAME", 'HARD'::varchar(4) "DEPENDENCY_TYPE"
 FROM used u JOIN pg_class rc ON u.refclassid='pg_class'::regclass AND rc.oid=u.refobjid JOIN pg_namespace rn ON rn.oid=rc.relnamespace
UNION ALL SELECT u.nspname, u.relname, 'VIEW', 'PUBLIC', rc.relname, 'SYNONYM', NULL, 'HARD' FROM used u JOIN pg_class rc ON u.refclassid='pg_class'::regclass AND rc.oid=u.refobjid JOIN pg_namespace rn ON rn.oid=rc.relnamespace WHERE rn.nspname='ora'
UNION ALL SELECT DISTINCT u.nspname, u.relname, 'VIEW', coalesce(k.owner, rn.nspname), coalesce(k.name, upper(p.proname)), CASE WHEN k.oid IS NULL THEN 'FUNCTION' ELSE 'PACKAGE' END, NULL, 'HARD'
 FROM used u JOIN pg_proc p ON u.refclassid='pg_proc'::regclass AND p.oid=u.refobjid JOIN pg_namespace rn ON rn.oid=p.pronamespace LEFT JOIN ora.packages k ON k.oid=rn.oid WHERE k.oid IS NOT NULL OR rn.nspname=upper(rn.nspname)
UNION ALL SELECT n.nspname, v.relname, 'VIEW', s.owner, s.name, 'SYNONYM', NULL, 'HARD' FROM ora.view_synonyms s JOIN pg_class v ON v.oid=s.view JOIN pg_namespace n ON n.oid=v.relnamespace;
CREATE OR REPLACE VIEW ora."ALL_TAB_COLS" AS SELECT c.*, 'NO'::varchar(3) "VIRTUAL_COLUMN", 'NO'::varchar(3) "HIDDEN_COLUMN", 'NO'::varchar(3) "DEFAULT_ON_NULL", NULL::varchar(100) "COLLATION" FROM ora."ALL_TAB_COLUMNS" c;
CREATE OR REPLACE VIEW ora."ALL_COL_COMMENTS" AS SELECT "OWNER","TABLE_NAME","COLUMN_NAME", NULL::varchar(4000) "COMMENTS" FROM ora."ALL_TAB_COLUMNS";
CREATE OR REPLACE VIEW ora."ALL_TAB_COMMENTS" AS SELECT "OWNER","TABLE_NAME", (SELECT obj_description(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname="OWNER" AND c.relname="TABLE_NAME")::varchar(4000) "COMMENTS" FROM ora."ALL_TABLES";
CREATE OR REPLACE VIEW ora."ALL_TAB_IDENTITY_COLS" AS SELECT NULL::varchar(128) "OWNER", NULL::varchar(128) "TABLE_NAME", NULL::varchar(128) "COLUMN_NAME", NULL::varchar(10) "GENERATION_TYPE", NULL::varchar(298) "IDENTITY_OPTIONS" WHERE false;
CREATE OR REPLACE VIEW ora."ALL_CONSTRAINTS" AS SELECT n.nspname::varchar(128) "OWNER", k.conname::varchar(128) "CONSTRAINT_NAME", upper(CASE k.contype WHEN 'f' THEN 'R' ELSE k.contype::text END)::varchar(1) "CONSTRAINT_TYPE", c.relname::varchar(128) "TABLE_NAME",
   NULL::varchar(4000) "SEARCH_CONDITION", (CASE k.contype WHEN 'c' THEN regexp_replace(pg_get_expr(k.conbin, k.conrelid), '::[a-z ]+(\([0-9,]*\))?', '', 'g') END)::varchar(4000) "SEARCH_CONDITION_VC", fn.nspname::varchar(128) "R_OWNER", fk.conname::varchar(128) "R_CONSTRAINT_NAME", 'NO ACTION'::varchar(9) "DELETE_RULE", 'ENABLED'::varchar(8) "STATUS", k.conname::varchar(128) "INDEX_NAME", (CASE WHEN k.condeferrable THEN 'DEFERRABLE' ELSE 'NOT DEFERRABLE' END)::varchar(14) "DEFERRABLE"
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
CREATE OR REPLACE VIEW ora."ALL_TRIGGERS" AS SELECT n.nspname::varchar(128) "OWNER", t.tgname::varchar(128) "TRIGGER_NAME",
   (CASE WHEN t.tgtype & 64 <> 0 THEN 'INSTEAD OF' ELSE (CASE WHEN t.tgtype & 2 <> 0 THEN 'BEFORE ' ELSE 'AFTER ' END) || (CASE WHEN t.tgtype & 1 <> 0 THEN 'EACH ROW' ELSE 'STATEMENT' END) END)::varchar(26) "TRIGGER_TYPE",
   concat_ws(' OR ', CASE WHEN t.tgtype & 4 <> 0 THEN 'INSERT' END, CASE WHEN t.tgtype & 16 <> 0 THEN 'UPDATE' END, CASE WHEN t.tgtype & 8 <> 0 THEN 'DELETE' END)::varchar(246) "TRIGGERING_EVENT",
   n.nspname::varchar(128) "TABLE_OWNER", c.relname::varchar(128) "TABLE_NAME", (CASE t.tgenabled WHEN 'D' THEN 'DISABLED' ELSE 'ENABLED' END)::varchar(8) "STATUS"
 FROM pg_trigger t JOIN pg_class c ON c.oid=t.tgrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE NOT t.tgisinternal AND n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_POLICIES" AS SELECT n.nspname::varchar(128) "OBJECT_OWNER", c.relname::varchar(128) "OBJECT_NAME", p.polname::varchar(128) "POLICY_NAME", (CASE WHEN p.polcmd IN ('r','*') THEN 'YES' ELSE 'NO' END)::varchar(3) "SEL", (CASE WHEN p.polcmd IN ('a','*') THEN 'YES' ELSE 'NO' END)::varchar(3) "INS", (CASE WHEN c.relrowsecurity THEN 'YES' ELSE 'NO' END)::varchar(3) "ENABLE" FROM pg_policy p JOIN pg_class c ON c.oid=p.polrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=upper(n.nspname);
CREATE OR REPLACE VIEW ora."ALL_USERS" AS SELECT nspname::varchar(128) "USERNAME" FROM pg_namespace WHERE nspname=upper(nspname);

CREATE OR REPLACE VIEW ora."SESSION_PRIVS" AS SELECT 'CREATE TABLE'::varchar(40) AS "PRIVILEGE";
CREATE VIEW ora."ALL_EXTERNAL_TABLES" AS SELECT k.owner "OWNER", k.name "TABLE_NAME" FROM ora.taken_for k WHERE k.kind='external';
-- functions: a schema's own, which are in lower case here, and those of packages; no author of SYS's has declared one
CREATE VIEW ora."ALL_PROCEDURES" AS SELECT n.nspname::varchar(128) "OWNER", upper(p.proname)::varchar(128) "OBJECT_NAME", NULL::varchar(128) "PROCEDURE_NAME", 'FUNCTION'::varchar(13) "OBJECT_TYPE", (CASE p.prokind WHEN 'a' THEN 'YES' ELSE 'NO' END)::varchar(3) "AGGREGATE", (CASE WHEN p.proretset THEN 'YES' ELSE 'NO' END)::varchar(3) "PIPELINED", (CASE p.provolatile WHEN 'i' THEN 'YES' ELSE 'NO' END)::varchar(3) "DETERMINISTIC"
 FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=upper(n.nspname) AND p.prorettype<>'trigger'::regtype
UNION ALL SELECT k.owner, k.name, upper(p.proname), 'PACKAGE', 'NO', CASE WHEN p.proretset THEN 'YES' ELSE 'NO' END, CASE WHEN p.provolatile='i' AND k.owner<>'SYS' THEN 'YES' ELSE 'NO' END FROM pg_proc p JOIN ora.packages k ON k.oid=p.pronamespace
UNION ALL SELECT k.owner, k.name, NULL, 'PACKAGE', 'NO', 'NO', 'NO' FROM ora.packages k;

-- statistics: PostgreSQL's own, in the form of a height-balanced histogram
CREATE OR REPLACE VIEW ora."ALL_TAB_STATISTICS" AS SELECT "OWNER","TABLE_NAME", NULL::varchar(128) "PARTITION_NAME", "NUM_ROWS","BLOCKS",
   (CASE WHEN "NUM_ROWS" IS NULL THEN NULL WHEN 10 * (SELECT coalesce(s.n_mod_since_analyze, 0) FROM pg_stat_all_tables s WHERE s.schemaname="OWNER" AND s.relname="TABLE_NAME") > "NUM_ROWS" THEN 'YES' ELSE 'NO' END)::varchar(3) "STALE_STATS" FROM ora."ALL_TABLES";
CREATE OR REPLACE VIEW ora."ALL_TAB_HISTOGRAMS" AS SELECT s.schemaname::varchar(128) "OWNER", s.tablename::varchar(128) "TABLE_NAME", s.attname::varchar(4000) "COLUMN_NAME", (b.place - 1)::numeric "ENDPOINT_NUMBER", b.value::numeric "ENDPOINT_VALUE", b.value::varchar(4000) "ENDPOINT_ACTUAL_VALUE"
 FROM pg_stats s, unnest(s.histogram_bounds::text::text[]) WITH ORDINALITY b(value, place) WHERE s.schemaname=upper(s.schemaname) AND b.value ~ '^-?[0-9.]+$';

-- privileges that were granted on tables and on their columns: PostgreSQL's own
CREATE OR REPLACE VIEW ora."ALL_TAB_PRIVS" AS SELECT pg_get_userbyid(a.grantor)::varchar(128) "GRANTOR", (CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE upper(pg_get_userbyid(a.grantee)) END)::varchar(128) "GRANTEE", n.nspname::varchar(128) "TABLE_SCHEMA", c.relname::varchar(128) "TABLE_NAME", a.privilege_type::varchar(40) "PRIVILEGE", 'NO'::varchar(3) "GRANTABLE"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace, aclexplode(c.relacl) a WHERE c.relkind IN ('r','p','v') AND n.nspname=upper(n.nspname) AND a.grantee <> c.relowner;
CREATE OR REPLACE VIEW ora."ALL_COL_PRIVS" AS SELECT pg_get_userbyid(a.grantor)::varchar(128) "GRANTOR", (CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE upper(pg_get_userbyid(a.grantee)) END)::varchar(128) "GRANTEE", n.nspname::varchar(128) "TABLE_SCHEMA", c.relname::varchar(128) "TABLE_NAME", k.attname::varchar(128) "COLUMN_NAME", a.privilege_type::varchar(40) "PRIVILEGE", 'NO'::varchar(3) "GRANTABLE"
 FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_attribute k ON k.attrelid=c.oid, aclexplode(k.attacl) a WHERE n.nspname=upper(n.nspname) AND a.grantee <> c.relowner;
