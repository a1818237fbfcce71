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
CREATE OR REPLACE FUNCTION ora.hextoraw(h text) RETURNS bytea IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT decode(h, 'hex') $$;
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

CREATE OR REPLACE FUNCTION ora.numtodsinterval(n numeric, u text) RETURNS interval IMMUTABLE LANGUAGE sql AS $$ SELECT n * ('1 '||u)::interval $$;
-- a whole number is a NUMBER too, and its FLOOR no float
CREATE OR REPLACE FUNCTION ora.floor(n integer) RETURNS numeric IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT n::numeric $$;
CREATE OR REPLACE FUNCTION ora.floor(n bigint) RETURNS numeric IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT n::numeric $$;
CREATE OR REPLACE FUNCTION ora.minus_days(t timestamp, n numeric) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t - n * interval '1 day' $$;
CREATE OR REPLACE FUNCTION ora.minus_days(t timestamp, n float8) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t - n * interval '1 day' $$;
DO $$ BEGIN CREATE OPERATOR ora.- (LEFTARG=timestamp, RIGHTARG=float8, FUNCTION=ora.minus_days); CREATE OPERATOR ora.- (LEFTARG=timestamp, RIGHTARG=numeric, FUNCTION=ora.minus_days); EXCEPTION WHEN duplicate_function THEN NULL; END $$;

CREATE OR REPLACE FUNCTION ora.pointed(n numeric, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN f='TM9' THEN regexp_replace(trim_scale(n)::text, '^(-?)0\.', '\1.') ELSE pg_catalog.to_char(n,f) END $$;
-- what NLS_NUMERIC_CHARACTERS of the session makes of it
CREATE OR REPLACE FUNCTION ora.point() RETURNS text STABLE LANGUAGE sql AS $$ SELECT coalesce(left(nullif(current_setting('ora.nls_numeric_characters', true), ''), 1), '.') $$;
CREATE OR REPLACE FUNCTION ora.to_char(n numeric, f text) RETURNS varchar STABLE STRICT LANGUAGE sql AS $$ SELECT replace(ora.pointed(n, f), '.', ora.point()) $$;
CREATE OR REPLACE FUNCTION ora.to_char(t timestamp, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN f LIKE 'SYYYY%' THEN ' '||pg_catalog.to_char(t, replace(substr(f,2),'.FF9',''))||CASE WHEN f LIKE '%.FF9' THEN pg_catalog.to_char(t,'.US000') ELSE '' END ELSE pg_catalog.to_char(t,f) END $$;
-- no NaN, no infinity, and nothing from 1e126 on: 22P02 is ORA-01722, 22003 is ORA-01426
CREATE OR REPLACE FUNCTION ora.to_number(t text) RETURNS numeric STABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
  IF ora.point() <> '.' THEN t := translate(t, ora.point() || '.', '.!'); END IF;
  IF t !~ '^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$' THEN RAISE invalid_text_representation; END IF;
  IF abs(t::numeric) >= 1e126 THEN RAISE numeric_value_out_of_range USING MESSAGE = 'numeric overflow'; END IF;
  RETURN t::numeric;
END $$;
CREATE OR REPLACE FUNCTION ora.to_date(t text, f text) RETURNS timestamp(0) IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT trim(t)::timestamp(0) $$;

-- times with a zone
CREATE FUNCTION ora.sys_extract_utc(t timestamptz) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT t AT TIME ZONE 'UTC' $$;
CREATE FUNCTION ora.sys_extract_utc(t ora.zoned) RETURNS timestamp IMMUTABLE LANGUAGE sql AS $$ SELECT left(t::text, 29)::timestamp $$;
CREATE FUNCTION ora.sys_extract_utc(t ora.zoned9) RETURNS ora.timestamp9 IMMUTABLE LANGUAGE sql AS $$ SELECT left(t::text, 29)::ora.timestamp9 $$;
CREATE FUNCTION ora.in_zone(local text, z text) RETURNS text STABLE STRICT LANGUAGE sql AS $$
 SELECT to_char(utc, 'YYYY-MM-DD HH24:MI:SS') || substr(local, 20) || ' ' || CASE WHEN shift < interval '0' THEN '-' ELSE '+' END || to_char(greatest(shift, -shift), 'HH24:MI')
 FROM (SELECT w AT TIME ZONE (CASE WHEN z ~ '^[-+]' THEN (z || ':00')::interval ELSE NULL END) AT TIME ZONE 'UTC' AS by_offset, w AT TIME ZONE (CASE WHEN z ~ '^[-+]' THEN 'UTC' ELSE z END) AT TIME ZONE 'UTC' AS by_name, w FROM (SELECT left(local, 19)::timestamp AS w) l) u,
  LATERAL (SELECT coalesce(by_offset, by_name) AS utc, w - coalesce(by_offset, by_name) AS shift) s $$;
CREATE FUNCTION ora.from_tz(t timestamp, z text) RETURNS ora.zoned STABLE STRICT LANGUAGE sql AS $$ SELECT ora.in_zone(to_char(t, 'YYYY-MM-DD HH24:MI:SS.US') || '000', z)::ora.zoned $$;
CREATE FUNCTION ora.from_tz(t ora.timestamp9, z text) RETURNS ora.zoned9 STABLE STRICT LANGUAGE sql AS $$ SELECT ora.in_zone(t::text, z)::ora.zoned9 $$;
CREATE FUNCTION ora.minus_interval(t ora.timestamp9, i interval) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(left(t::text, 26)::timestamp - i, 'YYYY-MM-DD HH24:MI:SS.US') || substr(t::text, 27))::text::ora.timestamp9 $$;
CREATE FUNCTION ora.minus_interval(t ora.zoned9, i interval) RETURNS ora.zoned9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(left(t::text, 26)::timestamp - i, 'YYYY-MM-DD HH24:MI:SS.US') || substr(t::text, 27))::text::ora.zoned9 $$;
CREATE OPERATOR ora.- (LEFTARG=ora.timestamp9, RIGHTARG=interval, FUNCTION=ora.minus_interval);
CREATE OPERATOR ora.- (LEFTARG=ora.zoned9, RIGHTARG=interval, FUNCTION=ora.minus_interval);

-- what TO_CHAR makes of the other types, and of one argument
CREATE FUNCTION ora.to_char(n numeric) RETURNS varchar STABLE STRICT LANGUAGE sql AS $$ SELECT ora.to_char(n, 'TM9') $$;
CREATE FUNCTION ora.to_char(n float8) RETURNS varchar STABLE STRICT LANGUAGE sql AS $$ SELECT replace(n::text, '.', ora.point()) $$;
CREATE FUNCTION ora.to_char(t text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT t $$;
CREATE FUNCTION ora.to_char(t timestamp) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.to_char(t, 'SYYYY-MM-DD HH24:MI:SS.FF9') $$;
CREATE FUNCTION ora.to_char(t ora.timestamp9, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT CASE WHEN f LIKE '%.FF9' THEN left(ora.to_char(left(t::text, 19)::timestamp, f), -10) || substr(t::text, 20) ELSE ora.to_char(t::timestamp, f) END $$;
CREATE FUNCTION ora.to_char(t ora.zoned, f text) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT ora.to_char(left(t::text, 29)::timestamp + substr(t::text, 31)::interval, replace(f, ' TZH:TZM', '')) || CASE WHEN f LIKE '% TZH:TZM' THEN substr(t::text, 30) ELSE '' END $$;
CREATE FUNCTION ora.to_char(t interval) RETURNS varchar IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT CASE WHEN years THEN sign || lpad((months / 12)::text, 2, '0') || '-' || lpad((months % 12)::text, 2, '0')
   ELSE sign || lpad(floor(seconds / 86400)::text, 9, '0') || ' ' || to_char(make_interval(secs => (seconds - floor(seconds / 86400) * 86400)::float8), 'HH24:MI:SS.US') END
 FROM (SELECT extract(year FROM t) <> 0 OR extract(month FROM t) <> 0 AS years, CASE WHEN t < interval '0' THEN '-' ELSE '+' END AS sign,
   abs(extract(year FROM t) * 12 + extract(month FROM t))::int AS months, abs(extract(epoch FROM t)) AS seconds) i $$;
CREATE FUNCTION ora.to_dsinterval(t text) RETURNS interval IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT CASE WHEN trim(t) LIKE '-%' THEN -(split_part(x, ' ', 1) || ' days ' || split_part(x, ' ', 2))::interval ELSE (split_part(x, ' ', 1) || ' days ' || split_part(x, ' ', 2))::interval END FROM (SELECT ltrim(trim(t), '+-') AS x) i $$;
CREATE FUNCTION ora.to_yminterval(t text) RETURNS interval IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT CASE WHEN trim(t) LIKE '-%' THEN -1 ELSE 1 END * make_interval(years => split_part(x, '-', 1)::int, months => split_part(x, '-', 2)::int) FROM (SELECT ltrim(trim(t), '+-') AS x) i $$;
-- a number beside a text is compared as a number
CREATE FUNCTION ora.differs(n numeric, t varchar) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT n <> t::numeric $$;
CREATE OPERATOR ora.<> (LEFTARG=numeric, RIGHTARG=varchar, FUNCTION=ora.differs);
CREATE FUNCTION ora.later(t ora.zoned, i interval) RETURNS ora.zoned STABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(left(t::text, 29)::timestamp + i, 'YYYY-MM-DD HH24:MI:SS.US') || '000' || substr(t::text, 30))::text::ora.zoned $$;
CREATE FUNCTION ora.sooner(t ora.zoned, i interval) RETURNS ora.zoned STABLE STRICT LANGUAGE sql AS $$ SELECT ora.later(t, -i) $$;
CREATE OPERATOR ora.+ (LEFTARG=ora.zoned, RIGHTARG=interval, FUNCTION=ora.later);
CREATE OPERATOR ora.- (LEFTARG=ora.zoned, RIGHTARG=interval, FUNCTION=ora.sooner);

-- row addresses are ordered by block and row, not by their letters
CREATE FUNCTION ora.rowid_lt(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) < ora.tidof(b::text) $$;
CREATE OPERATOR ora.< (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_lt);
CREATE FUNCTION ora.rowid_le(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) <= ora.tidof(b::text) $$;
CREATE OPERATOR ora.<= (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_le);
CREATE FUNCTION ora.rowid_eq(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) = ora.tidof(b::text) $$;
CREATE OPERATOR ora.= (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_eq);
CREATE FUNCTION ora.rowid_ne(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) <> ora.tidof(b::text) $$;
CREATE OPERATOR ora.<> (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_ne);
CREATE FUNCTION ora.rowid_ge(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) >= ora.tidof(b::text) $$;
CREATE OPERATOR ora.>= (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_ge);
CREATE FUNCTION ora.rowid_gt(a ora.rowid, b ora.rowid) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT ora.tidof(a::text) > ora.tidof(b::text) $$;
CREATE OPERATOR ora.> (LEFTARG=ora.rowid, RIGHTARG=ora.rowid, FUNCTION=ora.rowid_gt);
CREATE FUNCTION ora.rowid_cmp(a ora.rowid, b ora.rowid) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT bttidcmp(ora.tidof(a::text), ora.tidof(b::text)) $$;
CREATE OPERATOR CLASS ora.rowid_ops DEFAULT FOR TYPE ora.rowid USING btree AS OPERATOR 1 ora.<, OPERATOR 2 ora.<=, OPERATOR 3 ora.=, OPERATOR 4 ora.>=, OPERATOR 5 ora.>, FUNCTION 1 ora.rowid_cmp(ora.rowid, ora.rowid);
CREATE FUNCTION ora.to_timestamp(t text, f text) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE sql AS $$
 SELECT (to_char(left(x, 19)::timestamp, 'YYYY-MM-DD HH24:MI:SS') || '.' || rpad(ltrim(substr(x, 20), '.'), 9, '0'))::text::ora.timestamp9 FROM (SELECT trim(t) AS x) i $$;
-- MOD takes any numbers
CREATE FUNCTION ora.modulo(n bigint, d float8) RETURNS numeric IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT n::numeric % d::numeric $$;
CREATE OPERATOR ora.% (LEFTARG=bigint, RIGHTARG=float8, FUNCTION=ora.modulo);

-- what NLS settings make of texts: a linguistic sort is one that knows no capitals
CREATE FUNCTION ora.nls(name text, given text) RETURNS text STABLE LANGUAGE sql AS $$ SELECT coalesce(nullif(current_setting('ora.' || name, true), ''), given) $$;
CREATE FUNCTION ora.ordered(x anyelement) RETURNS anyelement STABLE LANGUAGE sql AS $$ SELECT x $$;
CREATE FUNCTION ora.ordered(t text) RETURNS text STABLE LANGUAGE sql AS $$ SELECT CASE WHEN ora.nls('nls_sort', 'BINARY') = 'BINARY' THEN t ELSE lower(t) END $$;
CREATE FUNCTION ora.ordered(t varchar) RETURNS text STABLE LANGUAGE sql AS $$ SELECT ora.ordered(t::text) $$;
CREATE FUNCTION ora.compared(x anyelement) RETURNS anyelement STABLE LANGUAGE sql AS $$ SELECT x $$;
CREATE FUNCTION ora.compared(t text) RETURNS text STABLE LANGUAGE sql AS $$ SELECT CASE WHEN ora.nls('nls_comp', 'BINARY') = 'BINARY' THEN t ELSE ora.ordered(t) END $$;
CREATE FUNCTION ora.compared(t varchar) RETURNS text STABLE LANGUAGE sql AS $$ SELECT ora.compared(t::text) $$;
CREATE FUNCTION ora.nlssort(t text, how text) RETURNS bytea IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT convert_to(CASE how WHEN 'NLS_SORT=BINARY' THEN t ELSE lower(t) END, 'UTF8') $$;
CREATE FUNCTION ora.to_char(n numeric, f text, how text) RETURNS varchar STABLE STRICT LANGUAGE sql AS $$ SELECT replace(ora.pointed(n, f), '.', substr(split_part(how, '=', 2), 2, 1)) $$;
