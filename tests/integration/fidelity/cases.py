"""PostgreSQL's types, each with the values that tell whether it survives a way through."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BEFORE = 131_072
MOST_AFTER = 16_383
"""Digits PostgreSQL documents for a numeric, before and after the point."""

LONGEST = "9" * MOST_BEFORE + "." + "1" * MOST_AFTER

CONTROLS = "".join(map(chr, (*range(1, 32), *range(127, 160))))
"""Every control character a text can hold; NUL is none of those."""

BYTES = "\\x" + bytes(range(256)).hex()


@dataclass(frozen=True)
class Case:
    """One type and its values. A row of NULLs is in every table besides."""

    name: str
    type_name: str
    values: tuple[str, ...]
    comparable: bool = True
    """Whether EXCEPT ALL takes the type itself; else only the text of it."""
    optional: bool = False
    """Whether a server may lack it: an older one, one without the extension or library."""


PLAIN = (
    Case("int_2", "int2", ("32767", "-32768", "0", "-1")),
    Case("int_4", "int4", ("2147483647", "-2147483648", "0")),
    Case("int_8", "int8", ("9223372036854775807", "-9223372036854775808", "9007199254740993")),
    Case("bool_", "bool", ("t", "f")),
    Case("float_4", "float4",
        ("0.1", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "-0", "16777216",
         "1.1754944e-38")),
    Case("float_8", "float8",
        ("0.1", "1.7976931348623157e308", "5e-324", "NaN", "Infinity", "-Infinity", "-0",
         "0.30000000000000004", "2.2250738585072014e-308", "9007199254740993", "1e23")),
    Case("decimal_38", "numeric(38,10)",
        ("9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999",
         "0.0000000001", "0", "1.5")),
    Case("decimal_whole", "numeric(38,0)", ("9" * 38, "-" + "9" * 38, "0")),
    Case("decimal_parts", "numeric(38,38)", ("0." + "9" * 38, "-0." + "0" * 37 + "1")),
    Case("decimal_small", "numeric(15,2)", ("0.00", "-0.01", "9999999999999.99", "1")),
    Case("decimal_digit", "numeric(1)", ("9", "-9")),
    Case("text_empty", "text",
        ("", " ", "NULL", "null", "nan", "NaN", "None", "NA", "#N/A", "<NA>", "t", "0", "\\x00",
         "infinity")),
    Case("text_special", "text",
        ('a"b', "a\nb", "a\r\nb", "a\rb", "a\\b", "a\tb", "\\N", "\\.", "\\", "a,b", '""', '"',
         "\n", "\r", "\r\n", "\\n", "''", ",", "\n\\.\n")),
    Case("text_unicode", "text",
        ("é漢字🎉", "\ufeff", "\ufeffa", "a\ufeff", "\U0010ffff", "\uffff", "\u2028\u2029\x85",
         "e\u0301", "\u202eab", "\x01\x7f", CONTROLS, *CONTROLS)),
    Case("varchar_", "varchar(10)", ("abc  ", "", "🎉" * 10, "\n")),
    Case("varchar_free", "varchar", ("abc  ", "", " \t ")),
    Case("bpchar_free", "bpchar", ("ab  ", "", "  ", "\\N")),
    Case("bytea_type", "bytea",
        ("\\x", "\\x00", BYTES, "\\x5c2e", "\\x5c4e", "\\x0a", "\\x5c7822", "\\x2c22")),
    Case("date_type", "date",
        ("2024-02-29", "1969-12-31", "0001-01-01", "9999-12-31", "1582-10-10", "1900-02-28")),
    Case("time_type", "time", ("23:59:59.999999", "00:00:00", "00:00:00.000001", "12:30:00.5")),
    Case("time_seconds", "time(0)", ("23:59:59",)),
    Case("timestamp_type", "timestamp",
        ("2024-01-01 00:00:00.123456", "1900-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999",
         "1677-09-21 00:12:43", "2262-04-12 00:00:00", "9999-12-31 23:59:59.999999",
         "0001-01-01 00:00:00", "2024-01-01 00:00:00.5")),
    Case("timestamp_millis", "timestamp(3)", ("2024-01-01 00:00:00.123",)),
    Case("timestamptz_type", "timestamptz",
        ("2024-07-01 12:00:00.123456+05", "1890-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00",
         "0001-01-01 00:00:00+00", "1970-01-01 00:00:00-15:59:59", "2024-10-27 02:30:00+02",
         "2024-10-27 02:30:00+01")),
)  # fmt: skip
"""Types and values that Arrow holds, and a binary COPY may carry to the target."""

BEYOND = (
    Case("decimal_nan", "numeric(38,10)", ("1.5", "NaN", "0.0000000001")),
    Case("decimal_small_nan", "numeric(15,2)", ("NaN", "-0.01")),
    Case("date_bc", "date", ("0044-03-15 BC", "4714-11-24 BC", "0001-12-31 BC", "0001-01-01")),
    Case("date_infinite", "date", ("infinity", "-infinity", "2020-01-01", "9999-12-31")),
    Case("date_far", "date", ("10000-01-01", "5874897-12-31")),
    Case("timestamp_bc", "timestamp", ("4714-11-24 00:00:00 BC", "0001-12-31 23:59:59.999999 BC")),
    Case("timestamp_infinite", "timestamp",
        ("infinity", "-infinity", "2020-01-01 00:00:00.000001")),
    Case("timestamp_far", "timestamp", ("10000-01-01 00:00:00", "294276-12-31 23:59:59.999999")),
    Case("timestamptz_bc", "timestamptz",
        ("4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00.5+00 BC")),
    Case("timestamptz_infinite", "timestamptz",
        ("infinity", "-infinity", "2020-01-01 00:00:00+00")),
    Case("timestamptz_far", "timestamptz",
        ("10000-01-01 00:00:00+00", "294276-12-31 23:59:59.999999+00")),
    Case("time_24", "time", ("24:00:00", "12:00:00", "23:59:59.999999")),
)  # fmt: skip
"""Values beyond their Arrow types: each makes its column text, and the result says so."""

AS_TEXT = (
    Case("numeric_free", "numeric",
        ("1.50", "0.000", "-0.0", "0.0000000000", "1e30", "1e-30", "NaN",
         "12345678901234567890123456789012345678901234567890.10")),
    Case("numeric_infinite", "numeric", ("Infinity", "-Infinity"), optional=True),
    Case("numeric_longest", "numeric",
        (LONGEST, "-" + LONGEST, "0." + "0" * (MOST_AFTER - 1) + "1",
         "1" + "0" * (MOST_BEFORE - 1))),
    Case("numeric_wide", "numeric(1000,500)",
        ("9" * 500 + "." + "9" * 500, "-0." + "0" * 499 + "1", "NaN")),
    Case("numeric_negative", "numeric(5,-2)", ("12300", "-9999900"), optional=True),
    Case("numeric_tiny", "numeric(3,5)", ("0.00123", "-0.00999"), optional=True),
    Case("char_type", "char(5)", ("ab", "", "abcde", "  a", "🎉")),
    Case("char_one", "char", ("a", " ", '"', "\\")),
    Case("char_byte", '"char"', ("a", " ", '"', "\\", "\n")),
    Case("name_type", "name", ("abc", "", 'a "b"', "é" * 31)),
    Case("timetz_type", "timetz",
        ("12:00:00+05:30", "24:00:00-15:59:59", "00:00:00.000001+00", "23:59:59.999999-08")),
    Case("interval_type", "interval",
        ("1 year 2 mons 3 days 04:05:06.789", "-1 day +02:00:00", "-178000000 years", "00:00:00",
         "-00:00:00.000001", "1 mon -1 day", "24:00:00", "1 day", "2562047788:00:54.775807")),
    Case("interval_infinite", "interval", ("infinity", "-infinity"), optional=True),
    Case("interval_part", "interval day to second(3)", ("3 days 04:05:06.789",)),
    Case("uuid_type", "uuid",
        ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000")),
    Case("json_type", "json",
        ('{"b": 1,  "a": [1.10, null, "x\\ny"], "a": 2}', "null", '"\\u00e9\\\\ \\" \\u0000"',
         "1e400", " [ ] ", '"NULL"', '""'), comparable=False),
    Case("jsonb_type", "jsonb",
        ('{"b": 1, "a": [1.10, null, "x\\ny"]}', "123456789012345678901234567890.1234567890",
         "null", '"\\\\ \\" 🎉"', "1e300", '""', "{}")),
    Case("jsonpath_type", "jsonpath", ('$."a b"[*] ? (@.c > 1.5)',), comparable=False,
        optional=True),
    Case("inet_type", "inet", ("10.0.0.1/24", "10.0.0.1", "::1", "2001:db8::1/64")),
    Case("cidr_type", "cidr", ("10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0")),
    Case("macaddr_type", "macaddr", ("08:00:2b:01:02:03",)),
    Case("macaddr8_type", "macaddr8", ("08:00:2b:01:02:03:04:05",)),
    Case("bit_type", "bit(3)", ("101", "000")),
    Case("bit_one", "bit", ("1", "0")),
    Case("varbit_type", "varbit", ("10101", "", "0" * 70)),
    Case("money_type", "money", ("$1.50", "-92233720368547758.08", "92233720368547758.07")),
    Case("oid_type", "oid", ("4294967295", "0")),
    Case("xid_type", "xid", ("4294967295",), comparable=False),
    Case("xid8_type", "xid8", ("18446744073709551615",), optional=True),
    Case("tid_type", "tid", ("(0,1)", "(4294967295,65535)")),
    Case("pg_lsn_type", "pg_lsn", ("16/B374D848", "FFFFFFFF/FFFFFFFF", "0/0")),
    Case("snapshot_type", "pg_snapshot", ("10:20:10,14,15",), comparable=False, optional=True),
    Case("refcursor_type", "refcursor", ('a "b"', ""), comparable=False),
    Case("point_type", "point", ("(1.5,2)", "(-0,NaN)", "(Infinity,1e-300)"), comparable=False),
    Case("line_type", "line", ("{1,-1,0.1}",), comparable=False),
    Case("lseg_type", "lseg", ("[(0.1,0),(1,1)]",), comparable=False),
    Case("box_type", "box", ("(1,1),(0.1,0)",), comparable=False),
    Case("path_type", "path", ("((0,0),(1,1.1))", "[(0,0),(1,1)]"), comparable=False),
    Case("polygon_type", "polygon", ("((0,0),(1,1.1),(1,0))",), comparable=False),
    Case("circle_type", "circle", ("<(0.1,0),5>",), comparable=False),
    Case("tsvector_type", "tsvector", ("'a':1A 'b':2,3B", "'it''s' 'x\\\\y' 'a b'", "")),
    Case("int4range_type", "int4range", ("[1,5)", "empty", "(,)", "[1,)")),
    Case("int8range_type", "int8range", ("[-9223372036854775808,9223372036854775807)",)),
    Case("numrange_type", "numrange", ("(1.10,2.2]", "[0.0,0.00]", "(,NaN]")),
    Case("daterange_type", "daterange", ("[2024-01-01,infinity)", "[0044-03-15 BC,)")),
    Case("tsrange_type", "tsrange", ('["2024-01-01 00:00:00.000001","9999-12-31 00:00:00"]',)),
    Case("tstzrange_type", "tstzrange", ('("2024-01-01 00:00:00+05",infinity]',)),
    Case("int4multi_type", "int4multirange", ("{[1,5),[7,9)}", "{}"), optional=True),
    Case("nummulti_type", "nummultirange", ("{(1.10,2.2],[3,)}",), optional=True),
    Case("tstzmulti_type", "tstzmultirange",
        ('{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}',), optional=True),
    Case("int_array", "int[]",
        ("{1,2,NULL}", "{}", "{{1,2},{3,4}}", "[2:3]={1,2}", "{NULL}", "{{{1}}}")),
    Case("text_array", "text[]",
        ('{a,"b,c",NULL,""}', '{"q\\"x","\\\\N","\\\\.","NULL"}', '{{"a\n",b},{"{c}",""}}', "{}",
         '{"\r","🎉"," a "}')),
    Case("varchar_array", "varchar(3)[]", ('{abc,""}',)),
    Case("numeric_array", "numeric(10,2)[]", ("{1.10,2.20,NaN}",)),
    Case("numeric_free_array", "numeric[]", ("{1.10,1e40,-0.000}",)),
    Case("float_array", "float8[]", ("{0.1,NaN,-0,5e-324,Infinity}",)),
    Case("bytea_array", "bytea[]", ('{"\\\\x00ff5c","\\\\x"}',)),
    Case("bool_array", "bool[]", ("{t,f,NULL}",)),
    Case("date_array", "date[]", ("{0044-03-15 BC,infinity,9999-12-31}",)),
    Case("timestamptz_array", "timestamptz[]", ('{"2024-07-01 12:00:00.123456+00",infinity}',)),
    Case("uuid_array", "uuid[]", ("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",)),
    Case("json_array", "json[]", ('{"{\\"a\\":  1}"}',), comparable=False),
    Case("jsonb_array", "jsonb[]", ('{"{\\"a\\": 1.10}"}',)),
    Case("range_array", "int4range[]", ('{"[1,5)",empty}',)),
    Case("int2vector_type", "int2vector", ("1 2 3",), comparable=False),
    Case("oidvector_type", "oidvector", ("1 2 4294967295",)),
    Case("xml_type", "xml", ('<a b="c">é\n&lt;</a>', "text", "<!-- x --><a/>"), comparable=False,
        optional=True),
)  # fmt: skip
"""Types that travel as PostgreSQL's own text."""

UNSENT = (
    Case("tsquery_type", "tsquery", ("'a' & ( 'b' | !'c' ) <-> 'd':*AB", "'it''s'", "")),
    Case("tsquery_array", "tsquery[]", ('{"\'a\'",""}',)),
)  # fmt: skip
"""Types of PostgreSQL's own whose binary form it does not take back: an empty tsquery."""

OWN = (
    Case("enum_type", "mood", ("sad", 'Happy, "q"', "NULL", "\\N", "a\nb")),
    Case("enum_array", "mood[]", ('{sad,"Happy, \\"q\\""}', '{"NULL",NULL,"\\\\N"}')),
    Case("domain_decimal", "positive", ("12.5", "99999999.99")),
    Case("domain_text", "word", ("abc", "\\N", "a\nb")),
    Case("domain_array", "numbers", ("{1,2}", "{{1},{2}}")),
    Case("domain_domain", "big", ("12.50",)),
    Case("domain_enum", "good_mood", ('Happy, "q"',)),
    Case("domain_elements", "positive[]", ("{12.50,1}",)),
    Case("composite_type", "pair", ('(1,"a b")', "(,)", '(,"")', '(2,"x\n""\\\\")')),
    Case("composite_array", "pair[]", ('{"(1,\\"a b\\")","(,)"}',)),
    Case("composite_deep", "deep", ('("(1,a)","{1,2}",sad,"[1,5)")',)),
    Case("range_own", "floatrange", ("[0.1,0.2)", "(,Infinity]", "empty")),
    Case("citext_type", "citext", ("aBc", "", "\\N"), optional=True),
    Case("hstore_type", "hstore", ('"a"=>"b \\"c\\"", "d"=>NULL, ""=>""',), optional=True),
    Case("vector_type", "vector(3)", ("[1,2.5,-3e-10]",), optional=True),
)
"""Types of a database's own: their numbers differ from one database to the next."""

GROUPS = {"plain": PLAIN, "beyond": BEYOND, "as_text": AS_TEXT, "unsent": UNSENT, "own": OWN}

EXTENSIONS = ("citext", "hstore", "vector")
"""Extensions whose types are cases; those the server does not have are left out."""

OWN_TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'Happy, "q"', 'NULL', E'\\\\N', E'a\\nb');
CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0);
CREATE DOMAIN word AS text CHECK (VALUE <> '');
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN big AS positive CHECK (VALUE > 10);
CREATE DOMAIN good_mood AS mood CHECK (VALUE <> 'sad');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE deep AS (p pair, n int[], m mood, r int4range);
CREATE TYPE floatrange AS RANGE (subtype = float8);
"""
