"""A key that is equal but written otherwise takes the new row's spelling, and only such a key."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.database import Databases

CITEXT = (
    "CREATE TYPE ci",
    "CREATE FUNCTION ci_in(cstring) RETURNS ci IMMUTABLE STRICT LANGUAGE internal AS 'textin'",
    "CREATE FUNCTION ci_out(ci) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout'",
    "CREATE TYPE ci (INPUT = ci_in, OUTPUT = ci_out, LIKE = text, CATEGORY = 'S')",
    "CREATE CAST (ci AS text) WITHOUT FUNCTION AS IMPLICIT",
    "CREATE CAST (text AS ci) WITHOUT FUNCTION AS ASSIGNMENT",
    *(
        f"CREATE FUNCTION ci_{name}(a ci, b ci) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS "
        f"'SELECT pg_catalog.lower(a::text) {sign} pg_catalog.lower(b::text)'"
        for name, sign in (("lt", "<"), ("le", "<="), ("eq", "="), ("ge", ">="), ("gt", ">"))
    ),
    ("CREATE FUNCTION ci_cmp(a ci, b ci) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS "
    "'SELECT pg_catalog.bttextcmp(pg_catalog.lower(a::text), pg_catalog.lower(b::text))'"),
    *(
        f"CREATE OPERATOR {sign} (LEFTARG = ci, RIGHTARG = ci, FUNCTION = ci_{name}, "
        f"COMMUTATOR = {mirror})"
        for name, sign, mirror in (
            ("lt", "<", ">"), ("le", "<=", ">="), ("eq", "=", "="), ("ge", ">=", "<="),
            ("gt", ">", "<"),
        )
    ),
    ("CREATE OPERATOR CLASS ci_ops DEFAULT FOR TYPE ci USING btree AS OPERATOR 1 <, OPERATOR 2 <=, "
    "OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ci_cmp(ci, ci)"),
)  # fmt: skip
"""A type that compares like citext, which not every server has."""

SPELLINGS = {
    "numeric": ("numeric", "1.0", "1.00"),
    "float8": ("float8", "0", "-0"),
    "float4": ("real", "-0", "0"),
    "interval": ("interval", "1 day", "24:00:00"),
    "bpchar": ("bpchar", "a", "a  "),
    "numeric[]": ("numeric[]", "{1.0}", "{1.000}"),
    "domain": ("price", "2.0", "2.00"),
    "like citext": ("ci", "Ann", "ANN"),
    "citext": ("citext", "Ann", "ANN"),
    "nondeterministic": ("text COLLATE nocase", "Ann", "ANN"),
}
ASKED = {
    "citext": (
        "SELECT FROM pg_available_extensions WHERE name = 'citext'",
        "CREATE EXTENSION citext",
    ),
    "nondeterministic": (
        "SELECT FROM pg_collation WHERE collprovider = 'i' AND collname ~ '^de-'",
        (
            "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', "
            "deterministic = false)"
        ),
    ),
}
"""What not every server has: what shows that it has it, and what makes it."""

WAYS = {
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "v"},
    "replace": {"write_disposition": "replace"},
}


def prepared(databases: Databases, kind: str) -> tuple[str, str]:
    """Make the type on both sides; return the two spellings of one value."""
    name, old, new = SPELLINGS[kind]
    for database in databases:
        for statement in CITEXT if kind == "like citext" else ():
            database.execute(statement)
        if kind in ASKED:
            available, made = ASKED[kind]
            if not database.fetch(available):
                pytest.skip(f"this server has no {kind} type")
            database.execute(made)
        if kind == "domain":
            database.execute("CREATE DOMAIN price AS numeric")
        database.execute(f"CREATE TABLE t (k {name} PRIMARY KEY, n int, v int)")
    databases.source.execute("INSERT INTO t VALUES (%s, 1, 1)", new)
    databases.target.execute("INSERT INTO t VALUES (%s, 0, 0)", old)
    return old, new


def move(databases: Databases, **options: Any) -> Any:
    usual = {"source_sql": "SELECT * FROM t", "target_table": "t", "key_column": "n"}
    return builders.move(databases, **{**usual, **options})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SPELLINGS)
def test_an_equal_key_is_written_as_the_new_row_writes_it(
    databases: Databases, kind: str, way: str
) -> None:
    old, new = prepared(databases, kind)
    if way == "replace":
        databases.target.execute(
            f"CREATE TABLE child (k {SPELLINGS[kind][0]} REFERENCES t ON UPDATE CASCADE)"
        )
        databases.target.execute("INSERT INTO child VALUES (%s)", old)
    move(databases, **WAYS[way]).raise_for_status()
    shown = "SELECT k::text, n, v FROM t"
    assert databases.target.fetch(shown) == databases.source.fetch(shown)
    assert databases.target.fetch(shown) == [(databases.source.fetch(shown)[0][0], 1, 1)]
    if way == "replace":
        spelled = databases.target.fetch("SELECT k::text FROM child")
        assert spelled == databases.source.fetch("SELECT k::text FROM t"), "it follows, and stays"
    del new


def test_the_operator_is_the_keys_own_whatever_the_search_path_holds(databases: Databases) -> None:
    """A planted ``=`` for numerics would match every row with every other."""
    prepared(databases, "numeric")
    make = databases.target.execute
    make("CREATE FUNCTION always(numeric, numeric) RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    make("CREATE SCHEMA evil")
    make("CREATE OPERATOR evil.= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.always)")
    make("ALTER DATABASE " + databases.target.url.split("/")[3].split("?")[0]
         + " SET search_path = evil, pg_catalog, public")  # fmt: skip
    make("CREATE TABLE public.child (k numeric REFERENCES public.t)")
    make("INSERT INTO public.t VALUES (7, 0, 0)")
    move(databases, write_disposition="replace", target_schema="public").raise_for_status()
    assert databases.target.fetch("SELECT k::text FROM public.t") == [("1.00",)]


@pytest.mark.parametrize("kind", ["int", "text", "uuid", "date", "timestamptz", "char(3)"])
def test_a_key_whose_equal_values_are_alike_is_never_touched(
    databases: Databases, kind: str
) -> None:
    """Setting it would lock its children, and fire what stands on the column."""
    value = {"int": "1", "text": "a", "uuid": "0" * 32, "char(3)": "a"}.get(kind, "2020-01-01")
    for database in databases:
        database.execute(f"CREATE TABLE t (k {kind} PRIMARY KEY, n int)")
        database.execute("INSERT INTO t VALUES (%s, 1)", value)
    databases.target.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the key was set'; END $$"
    )
    databases.target.execute(
        "CREATE TRIGGER no BEFORE UPDATE OF k ON t FOR EACH ROW EXECUTE FUNCTION no()"
    )
    move(databases, write_disposition="merge").raise_for_status()


def test_only_keys_that_are_written_otherwise_are_touched(databases: Databases) -> None:
    prepared(databases, "numeric")
    for database in databases:
        database.execute("INSERT INTO t SELECT g, g, 0 FROM generate_series(10, 99) g")
    databases.target.execute("CREATE TABLE seen (k numeric)")
    databases.target.execute(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen VALUES (NEW.k); RETURN NEW; END $$"
    )
    databases.target.execute(
        "CREATE TRIGGER see BEFORE UPDATE OF k ON t FOR EACH ROW EXECUTE FUNCTION see()"
    )
    move(databases, write_disposition="merge").raise_for_status()
    assert databases.target.fetch("SELECT k::text FROM seen") == [("1.00",)]


def test_rows_that_are_all_key_are_merged(databases: Databases) -> None:
    """Those that are there already are no rows that did not enter."""
    for database in databases:
        database.execute("CREATE TABLE t (n int PRIMARY KEY)")
        database.execute("INSERT INTO t SELECT generate_series(1, 100)")
    databases.source.execute("INSERT INTO t VALUES (101)")
    for _ in range(2):
        move(databases, write_disposition="merge").raise_for_status()
    assert databases.target.fetch("SELECT count(*) FROM t") == [(101,)]
