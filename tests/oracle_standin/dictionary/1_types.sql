-- Oracle look-alike objects inside PostgreSQL: schema ora
CREATE SCHEMA ora;
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


-- FLOAT is a NUMBER of binary precision, described as such
CREATE TYPE ora.float;
CREATE FUNCTION ora.floatin(cstring, oid, integer) RETURNS ora.float IMMUTABLE STRICT LANGUAGE internal AS 'numeric_in';
CREATE FUNCTION ora.floatout(ora.float) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'numeric_out';
CREATE TYPE ora.float (INPUT=ora.floatin, OUTPUT=ora.floatout, LIKE=numeric, CATEGORY='N');
CREATE CAST (ora.float AS numeric) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (numeric AS ora.float) WITHOUT FUNCTION AS ASSIGNMENT;

-- national characters: UTF-16 on the wire, otherwise texts
CREATE TYPE ora.nvarchar;
CREATE FUNCTION ora.nvarcharin(cstring, oid, integer) RETURNS ora.nvarchar IMMUTABLE STRICT LANGUAGE internal AS 'varcharin';
CREATE FUNCTION ora.nvarcharout(ora.nvarchar) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'varcharout';
CREATE FUNCTION ora.nvarchartypmodin(cstring[]) RETURNS integer IMMUTABLE STRICT LANGUAGE internal AS 'varchartypmodin';
CREATE FUNCTION ora.nvarchartypmodout(integer) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'varchartypmodout';
CREATE TYPE ora.nvarchar (INPUT=ora.nvarcharin, OUTPUT=ora.nvarcharout, TYPMOD_IN=ora.nvarchartypmodin, TYPMOD_OUT=ora.nvarchartypmodout, LIKE=varchar, CATEGORY='S', COLLATABLE=true);
CREATE FUNCTION ora.nvarchar(ora.nvarchar, integer, boolean) RETURNS ora.nvarchar IMMUTABLE STRICT LANGUAGE internal AS 'varchar';
CREATE CAST (ora.nvarchar AS ora.nvarchar) WITH FUNCTION ora.nvarchar(ora.nvarchar, integer, boolean) AS IMPLICIT;
CREATE CAST (ora.nvarchar AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (ora.nvarchar AS varchar) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS ora.nvarchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varchar AS ora.nvarchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TYPE ora.nchar;
CREATE FUNCTION ora.ncharin(cstring, oid, integer) RETURNS ora.nchar IMMUTABLE STRICT LANGUAGE internal AS 'bpcharin';
CREATE FUNCTION ora.ncharout(ora.nchar) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'bpcharout';
CREATE TYPE ora.nchar (INPUT=ora.ncharin, OUTPUT=ora.ncharout, TYPMOD_IN=ora.nvarchartypmodin, TYPMOD_OUT=ora.nvarchartypmodout, LIKE=bpchar, CATEGORY='S', COLLATABLE=true);
CREATE FUNCTION ora.nchar(ora.nchar, integer, boolean) RETURNS ora.nchar IMMUTABLE STRICT LANGUAGE internal AS 'bpchar';
CREATE CAST (ora.nchar AS ora.nchar) WITH FUNCTION ora.nchar(ora.nchar, integer, boolean) AS IMPLICIT;
CREATE CAST (ora.nchar AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS ora.nchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varchar AS ora.nchar) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TYPE ora.nclob;
CREATE FUNCTION ora.nclobin(cstring) RETURNS ora.nclob IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION ora.nclobout(ora.nclob) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE ora.nclob (INPUT=ora.nclobin, OUTPUT=ora.nclobout, LIKE=text, CATEGORY='S');
CREATE CAST (ora.nclob AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS ora.nclob) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varchar AS ora.nclob) WITHOUT FUNCTION AS ASSIGNMENT;

-- TIMESTAMP(7) to (9): a text 'YYYY-MM-DD HH24:MI:SS.FFFFFFFFF', which sorts as its time does
CREATE TYPE ora.timestamp9;
CREATE FUNCTION ora.timestamp9in(cstring) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION ora.timestamp9out(ora.timestamp9) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE ora.timestamp9 (INPUT=ora.timestamp9in, OUTPUT=ora.timestamp9out, LIKE=text, CATEGORY='U');
CREATE CAST (ora.timestamp9 AS text) WITHOUT FUNCTION;
CREATE CAST (text AS ora.timestamp9) WITHOUT FUNCTION;
CREATE FUNCTION ora.nine(t timestamp) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(t, 'YYYY-MM-DD HH24:MI:SS.US') || '000')::text::ora.timestamp9 $$;
CREATE FUNCTION ora.six(t ora.timestamp9) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT t::text::timestamp $$;
CREATE CAST (timestamp AS ora.timestamp9) WITH FUNCTION ora.nine(timestamp) AS IMPLICIT;
CREATE CAST (ora.timestamp9 AS timestamp) WITH FUNCTION ora.six(ora.timestamp9) AS ASSIGNMENT;

-- TIMESTAMP WITH TIME ZONE, to six digits and to nine: its instant in that form, a blank, its offset
CREATE TYPE ora.zoned;
CREATE FUNCTION ora.zonedin(cstring) RETURNS ora.zoned IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION ora.zonedout(ora.zoned) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE ora.zoned (INPUT=ora.zonedin, OUTPUT=ora.zonedout, LIKE=text, CATEGORY='U');
CREATE CAST (ora.zoned AS text) WITHOUT FUNCTION;
CREATE CAST (text AS ora.zoned) WITHOUT FUNCTION;
CREATE FUNCTION ora.instant(t ora.zoned) RETURNS timestamptz IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(t::text, 29)::timestamp AT TIME ZONE 'UTC' $$;
CREATE FUNCTION ora.zoned(t timestamptz) RETURNS ora.zoned IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '000 +00:00')::text::ora.zoned $$;
CREATE CAST (ora.zoned AS timestamptz) WITH FUNCTION ora.instant(ora.zoned) AS ASSIGNMENT;
CREATE CAST (timestamptz AS ora.zoned) WITH FUNCTION ora.zoned(timestamptz) AS IMPLICIT;
CREATE TYPE ora.zoned9;
CREATE FUNCTION ora.zoned9in(cstring) RETURNS ora.zoned9 IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION ora.zoned9out(ora.zoned9) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE ora.zoned9 (INPUT=ora.zoned9in, OUTPUT=ora.zoned9out, LIKE=text, CATEGORY='U');
CREATE CAST (ora.zoned9 AS text) WITHOUT FUNCTION;
CREATE CAST (text AS ora.zoned9) WITHOUT FUNCTION;
CREATE FUNCTION ora.instant(t ora.zoned9) RETURNS timestamptz IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(t::text, 29)::timestamp AT TIME ZONE 'UTC' $$;
CREATE FUNCTION ora.zoned9(t timestamptz) RETURNS ora.zoned9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '000 +00:00')::text::ora.zoned9 $$;
CREATE CAST (ora.zoned9 AS timestamptz) WITH FUNCTION ora.instant(ora.zoned9) AS ASSIGNMENT;
CREATE CAST (timestamptz AS ora.zoned9) WITH FUNCTION ora.zoned9(timestamptz) AS ASSIGNMENT;
CREATE FUNCTION ora.rounded(t ora.zoned9) RETURNS ora.zoned IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT (to_char(left(t::text, 29)::timestamp, 'YYYY-MM-DD HH24:MI:SS.US') || '000' || substr(t::text, 30))::text::ora.zoned $$;
CREATE CAST (ora.zoned9 AS ora.zoned) WITH FUNCTION ora.rounded(ora.zoned9) AS ASSIGNMENT;
CREATE CAST (ora.zoned AS ora.zoned9) WITHOUT FUNCTION AS IMPLICIT;
CREATE FUNCTION ora.timestamp9_lt(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" < b::text $$;
CREATE OPERATOR ora.< (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_lt);
CREATE FUNCTION ora.timestamp9_le(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" <= b::text $$;
CREATE OPERATOR ora.<= (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_le);
CREATE FUNCTION ora.timestamp9_eq(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" = b::text $$;
CREATE OPERATOR ora.= (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_eq);
CREATE FUNCTION ora.timestamp9_ne(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" <> b::text $$;
CREATE OPERATOR ora.<> (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_ne);
CREATE FUNCTION ora.timestamp9_ge(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" >= b::text $$;
CREATE OPERATOR ora.>= (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_ge);
CREATE FUNCTION ora.timestamp9_gt(a ora.timestamp9, b ora.timestamp9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT a::text COLLATE "C" > b::text $$;
CREATE OPERATOR ora.> (LEFTARG=ora.timestamp9, RIGHTARG=ora.timestamp9, FUNCTION=ora.timestamp9_gt);
CREATE FUNCTION ora.timestamp9_cmp(a ora.timestamp9, b ora.timestamp9) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT bttextcmp(a::text COLLATE "C", b::text COLLATE "C") $$;
CREATE OPERATOR CLASS ora.timestamp9_ops DEFAULT FOR TYPE ora.timestamp9 USING btree AS OPERATOR 1 ora.<, OPERATOR 2 ora.<=, OPERATOR 3 ora.=, OPERATOR 4 ora.>=, OPERATOR 5 ora.>, FUNCTION 1 ora.timestamp9_cmp(ora.timestamp9, ora.timestamp9);
CREATE FUNCTION ora.timestamp9_later(a ora.timestamp9, b ora.timestamp9) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN a::text COLLATE "C" >= b::text THEN a ELSE b END $$;
CREATE FUNCTION ora.timestamp9_sooner(a ora.timestamp9, b ora.timestamp9) RETURNS ora.timestamp9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN a::text COLLATE "C" <= b::text THEN a ELSE b END $$;
CREATE AGGREGATE ora.max(ora.timestamp9) (SFUNC=ora.timestamp9_later, STYPE=ora.timestamp9);
CREATE AGGREGATE ora.min(ora.timestamp9) (SFUNC=ora.timestamp9_sooner, STYPE=ora.timestamp9);
CREATE FUNCTION ora.zoned_lt(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" < left(b::text, 29) $$;
CREATE OPERATOR ora.< (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_lt);
CREATE FUNCTION ora.zoned_le(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" <= left(b::text, 29) $$;
CREATE OPERATOR ora.<= (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_le);
CREATE FUNCTION ora.zoned_eq(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" = left(b::text, 29) $$;
CREATE OPERATOR ora.= (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_eq);
CREATE FUNCTION ora.zoned_ne(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" <> left(b::text, 29) $$;
CREATE OPERATOR ora.<> (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_ne);
CREATE FUNCTION ora.zoned_ge(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" >= left(b::text, 29) $$;
CREATE OPERATOR ora.>= (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_ge);
CREATE FUNCTION ora.zoned_gt(a ora.zoned, b ora.zoned) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" > left(b::text, 29) $$;
CREATE OPERATOR ora.> (LEFTARG=ora.zoned, RIGHTARG=ora.zoned, FUNCTION=ora.zoned_gt);
CREATE FUNCTION ora.zoned_cmp(a ora.zoned, b ora.zoned) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT bttextcmp(left(a::text, 29) COLLATE "C", left(b::text, 29) COLLATE "C") $$;
CREATE OPERATOR CLASS ora.zoned_ops DEFAULT FOR TYPE ora.zoned USING btree AS OPERATOR 1 ora.<, OPERATOR 2 ora.<=, OPERATOR 3 ora.=, OPERATOR 4 ora.>=, OPERATOR 5 ora.>, FUNCTION 1 ora.zoned_cmp(ora.zoned, ora.zoned);
CREATE FUNCTION ora.zoned_later(a ora.zoned, b ora.zoned) RETURNS ora.zoned IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN left(a::text, 29) COLLATE "C" >= left(b::text, 29) THEN a ELSE b END $$;
CREATE FUNCTION ora.zoned_sooner(a ora.zoned, b ora.zoned) RETURNS ora.zoned IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN left(a::text, 29) COLLATE "C" <= left(b::text, 29) THEN a ELSE b END $$;
CREATE AGGREGATE ora.max(ora.zoned) (SFUNC=ora.zoned_later, STYPE=ora.zoned);
CREATE AGGREGATE ora.min(ora.zoned) (SFUNC=ora.zoned_sooner, STYPE=ora.zoned);
CREATE FUNCTION ora.zoned9_lt(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" < left(b::text, 29) $$;
CREATE OPERATOR ora.< (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_lt);
CREATE FUNCTION ora.zoned9_le(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" <= left(b::text, 29) $$;
CREATE OPERATOR ora.<= (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_le);
CREATE FUNCTION ora.zoned9_eq(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" = left(b::text, 29) $$;
CREATE OPERATOR ora.= (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_eq);
CREATE FUNCTION ora.zoned9_ne(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" <> left(b::text, 29) $$;
CREATE OPERATOR ora.<> (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_ne);
CREATE FUNCTION ora.zoned9_ge(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" >= left(b::text, 29) $$;
CREATE OPERATOR ora.>= (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_ge);
CREATE FUNCTION ora.zoned9_gt(a ora.zoned9, b ora.zoned9) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT left(a::text, 29) COLLATE "C" > left(b::text, 29) $$;
CREATE OPERATOR ora.> (LEFTARG=ora.zoned9, RIGHTARG=ora.zoned9, FUNCTION=ora.zoned9_gt);
CREATE FUNCTION ora.zoned9_cmp(a ora.zoned9, b ora.zoned9) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT bttextcmp(left(a::text, 29) COLLATE "C", left(b::text, 29) COLLATE "C") $$;
CREATE OPERATOR CLASS ora.zoned9_ops DEFAULT FOR TYPE ora.zoned9 USING btree AS OPERATOR 1 ora.<, OPERATOR 2 ora.<=, OPERATOR 3 ora.=, OPERATOR 4 ora.>=, OPERATOR 5 ora.>, FUNCTION 1 ora.zoned9_cmp(ora.zoned9, ora.zoned9);
CREATE FUNCTION ora.zoned9_later(a ora.zoned9, b ora.zoned9) RETURNS ora.zoned9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN left(a::text, 29) COLLATE "C" >= left(b::text, 29) THEN a ELSE b END $$;
CREATE FUNCTION ora.zoned9_sooner(a ora.zoned9, b ora.zoned9) RETURNS ora.zoned9 IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN left(a::text, 29) COLLATE "C" <= left(b::text, 29) THEN a ELSE b END $$;
CREATE AGGREGATE ora.max(ora.zoned9) (SFUNC=ora.zoned9_later, STYPE=ora.zoned9);
CREATE AGGREGATE ora.min(ora.zoned9) (SFUNC=ora.zoned9_sooner, STYPE=ora.zoned9);

-- a type in Oracle's words
CREATE FUNCTION ora.data_type(name name, typmod integer) RETURNS text IMMUTABLE LANGUAGE sql AS $$
 SELECT CASE name WHEN 'numeric' THEN 'NUMBER' WHEN 'float' THEN 'FLOAT' WHEN 'varchar' THEN 'VARCHAR2' WHEN 'bpchar' THEN 'CHAR'
   WHEN 'nvarchar' THEN 'NVARCHAR2' WHEN 'nchar' THEN 'NCHAR' WHEN 'timestamp' THEN CASE WHEN typmod = 0 THEN 'DATE' ELSE 'TIMESTAMP(' || CASE WHEN typmod < 0 THEN 6 ELSE typmod END || ')' END
   WHEN 'timestamp9' THEN 'TIMESTAMP(9)' WHEN 'zoned' THEN 'TIMESTAMP(6) WITH TIME ZONE' WHEN 'zoned9' THEN 'TIMESTAMP(9) WITH TIME ZONE' WHEN 'timestamptz' THEN 'TIMESTAMP(6) WITH LOCAL TIME ZONE'
   WHEN 'interval' THEN CASE (typmod >> 16) & 32767 WHEN 6 THEN 'INTERVAL YEAR(2) TO MONTH' ELSE 'INTERVAL DAY(2) TO SECOND(6)' END
   WHEN 'float8' THEN 'BINARY_DOUBLE' WHEN 'float4' THEN 'BINARY_FLOAT' WHEN 'bytea' THEN 'RAW' ELSE upper(name) END $$;
