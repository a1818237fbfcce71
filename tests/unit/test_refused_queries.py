"""What is made of a database's refusal without asking it: names, places, columns. No server."""

from __future__ import annotations

from typing import Any

import pytest

from mapper_dask.chunk.blame import OF_TARGET, is_duplicate, of_duplicate, of_query
from mapper_dask.dialects.oracle import Oracle
from mapper_dask.dialects.oracle import names as oracle_names
from mapper_dask.dialects.oracle import remedies as of_oracle
from mapper_dask.dialects.postgresql import PostgreSQL, remedies
from mapper_dask.dialects.postgresql.names import shown
from mapper_dask.errors import DatabaseError
from mapper_dask.preflight import grants
from mapper_dask.query_text.named import WHOLE, Called, Named, names_in, tables_of
from mapper_dask.query_text.refusals import column_meant, unfilled
from mapper_dask.schema.facts import TargetTable

# ruff: noqa: EM101, FBT001 - a case reads better on one line

# -- what a text names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM t", ["t"]),
        ('SELECT * FROM "My Mart"."Big Table"', ["My Mart.Big Table"]),
        ("WITH hid AS (SELECT * FROM sales.hid) SELECT * FROM hid", ["sales.hid"]),
        ("WITH hid AS (SELECT * FROM hid) SELECT * FROM hid", ["hid"]),
        ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", []),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b", ["b"]),
        ("WITH a AS (SELECT 1) SELECT * FROM (SELECT * FROM A) q", []),
        ('WITH a AS (SELECT 1) SELECT * FROM "A"', ["A"]),
        ("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) q, t", ["t"]),
        ("SELECT * FROM f(1), LATERAL g(2) x", []),
    ],
)
def test_tables_are_those_that_no_with_hides(sql: str, tables: list[str]) -> None:
    assert sorted(map(str, tables_of(sql, "postgres"))) == sorted(tables)


def test_an_alias_is_folded_as_the_database_folds_it() -> None:
    [mine, theirs] = tables_of('SELECT 1 FROM s.t C, s.u "C"', "postgres")
    assert (mine.called, theirs.called) == ("c", "C")
    [folded] = tables_of("SELECT 1 FROM s.t c", "oracle", upper=True)
    assert (str(folded), folded.called) == ("S.T", "C")


def test_columns_go_to_their_table() -> None:
    names = names_in("SELECT a.x, y, b.* FROM a JOIN b USING (k) WHERE count(*) > 1", "postgres")
    a, b = names.tables
    assert names.columns_of(a) == {"x", "y", "k"}
    assert names.columns_of(b) == {"y", "k", WHOLE}
    assert not names.derived


def test_calls_are_found_with_schema_and_number_of_arguments() -> None:
    names = names_in("SELECT s.f(1, x), g(), sales.round(y) FROM h(1), s.rows_of(2) q", "postgres")
    assert {(c.schema, c.names[0], c.given) for c in names.calls} == {
        ("s", "f", 2), (None, "g", 0), ("sales", "round", 1), (None, "h", 1), ("s", "rows_of", 1),
    }  # fmt: skip
    assert isinstance(names.calls[0], Called)


@pytest.mark.parametrize(
    ("sql", "derived"),
    [
        ("SELECT 1 FROM t WHERE x = (SELECT 1)", False),
        ("SELECT 1 FROM (SELECT 1) q", True),
        ("SELECT 1 FROM t, f(1) q", True),
        ("SELECT 1 FROM t, LATERAL (SELECT 1) q", True),
        ("SELECT 1 FROM (VALUES (1)) q", True),
        ("SELECT 1 FROM t JOIN (SELECT 1) q ON true", True),
        ("WITH c AS (SELECT 1) SELECT 1 FROM c", True),
    ],
)
def test_columns_of_inner_queries_are_known_to_be_there(sql: str, derived: bool) -> None:
    assert names_in(sql, "postgres").derived is derived


# -- places for values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT id FROM t WHERE doc ? 'k' ANDD x = 1", "ANDD"),
        ("SELECT id FROM t WHERE doc ?| array['k'] ANDD x = 1", "ANDD"),
        ("SELECT id FROM t WHERE doc ? 'k')) x", ") x"),
        ('SELECT id FROM t WHERE "doc" ? "k" ANDD x = 1', "ANDD"),
        ("SELECT id FROM t WHERE f(doc) ? 'k' ANDD x = 1", "'k'"),
        ("SELECT id FROM t WHERE doc @? '$.a' ANDD x = 1", "'$.a'"),
        ("SELECT id FROM t WHERE x = ? 'k' ANDD x = 1", "ANDD"),
        ("SELECT a FROM t WHERE x = $$ :foo $$ ANDD", ":foo"),
        ("SELECT a FROM t WHERE x = $q$ :foo $q$ ANDD", "ANDD"),
        (r"SELECT a FROM t WHERE x = E'it\' :foo' ANDD", ":foo"),
        ("SELECT TO_CHAR(d, 'HH24:MI') FROM t WHERE q'[a :b]' = 1 FORM", ":b"),
    ],
)
def test_what_only_looks_like_a_place_is_none(sql: str, word: str) -> None:
    assert unfilled(sql, sql.index(word) + 1) is None


@pytest.mark.parametrize(
    ("sql", "word", "shown_place"),
    [
        ("SELECT id FROM t WHERE id = ?", "?", "?"),
        ("SELECT id FROM t WHERE id = ?\n  AND x = 1", "AND", "?"),
        ("SELECT id FROM t WHERE id IN (?, ?)", ", ?", "?"),
        ("SELECT id FROM t WHERE x LIKE ?", "?", "?"),
        ("SELECT id FROM t WHERE doc ? 'k' AND id = :id", ":id", ":id"),
        ("SELECT id FROM t WHERE doc ? 'k' AND id = ?", "= ?", "?"),
        ("SELECT id FROM t LIMIT ?", "?", "?"),
    ],
)
def test_a_place_for_a_value_is_told(sql: str, word: str, shown_place: str) -> None:
    found = unfilled(sql, sql.index(word) + (3 if word == "= ?" else 1))
    assert found is not None
    assert found.field == "params"
    assert found.said.startswith(f"{shown_place} in source_sql")


# -- columns ---------------------------------------------------------------------------------------

CUSTOMERS = Named("sales", "customers", "c")
COLUMNS = [(CUSTOMERS, "id"), (CUSTOMERS, "name"), (CUSTOMERS, "order")]


@pytest.mark.parametrize(
    ("name", "listing", "told"),
    [
        ("nmae", True, "did you mean c.name?"),
        ("c.nmae", False, "did you mean c.name?"),
        ("ordre", True, 'did you mean c."order"?'),
        ("zzz", True, 'the query has id, name, "order"'),
        ("zzz", False, ""),
        ("c.zzz", False, 'c has id, name, "order"'),
        ("q.nmae", True, ""),
    ],
)
def test_a_column_that_was_meant(name: str, listing: bool, told: str) -> None:
    assert column_meant(name, COLUMNS, shown, listing=listing) == told


def test_nothing_is_said_of_columns_that_nobody_knows() -> None:
    assert column_meant("x", [], shown) == ""


# -- names that are to be pasted -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["order", "user", "lateral", "Mixed", "a b", "1a", "é", 'a"b'])
def test_a_name_that_needs_quotes_has_them(name: str) -> None:
    assert shown(name) == '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", ["id", "a_1", "name", "value"])
def test_a_name_that_needs_none_has_none(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    ("held", "told"),
    [("T", "t"), ("ORDER", '"ORDER"'), ("SIZE", '"SIZE"'), ("FILE", '"FILE"'), ("Mixed", '"Mixed"'),
     ("A B", '"A B"'), ("lower", '"lower"'), ("_X", '"_X"')],
)  # fmt: skip
def test_oracles_names_too(held: str, told: str) -> None:
    assert oracle_names.written(held) == told


# -- Oracle's places -------------------------------------------------------------------------------

CHEESE = "SELECT 'Käse' AS k, nmae FROM t"


@pytest.mark.parametrize("shift", [0, 1], ids=["characters", "bytes"])
def test_a_place_behind_letters_of_several_bytes(shift: int) -> None:
    place = CHEESE.index("nmae") + 1
    said = 'ORA-00904: "NMAE": invalid identifier'
    assert of_oracle.place_of(CHEESE, said, place + shift) == place


def test_a_place_in_bytes_comes_first() -> None:
    sql = "SELECT 'ää' AS k, a b c FROM t"
    place = sql.index(" FROM") + 2
    assert of_oracle.place_of(sql, "ORA-00923: FROM keyword not found", place + 2) == place


@pytest.mark.parametrize("position", [3, len(CHEESE) - 3])
def test_a_place_that_is_not_certain_is_not_told(position: int) -> None:
    said = 'ORA-00904: "NMAE": invalid identifier'
    told = of_oracle.place_of(CHEESE, said, position)
    assert told == (position if position == 3 else None)


def test_an_ascii_text_has_one_place() -> None:
    assert of_oracle.place_of("SELECT x FROM t", "", 8) == 8


# -- operators -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("integer = text", "the left with ::text, or the right with ::integer"),
        ("character varying < integer", "::integer, or the right with ::character varying"),
        ('"My Mood" = text', 'the left with ::text, or the right with ::"My Mood"'),
        ("sales.color || integer", "::integer, or the right with ::sales.color"),
    ],
)
def test_either_side_of_an_operator_can_be_cast(said: str, remedy: str) -> None:
    error = DatabaseError("", sqlstate="42883", said=f"operator does not exist: {said}")
    assert remedy in remedies.remedy(_Conn(), "SELECT 1", error).remedy


class _Conn:
    def rollback(self) -> None:
        raise AssertionError("nothing need be asked")


# -- rows ------------------------------------------------------------------------------------------


def refused(**details: Any) -> DatabaseError:
    return DatabaseError("x", **{"sqlstate": "23505", "said": "duplicate", **details})


def target(**changes: Any) -> TargetTable:
    keys = (("id",), ("code",))
    return TargetTable(
        **{"schema": "public", "name": "two", "quoted": '"public"."two"', "columns": (),
           "unique_keys": keys, "primary_key": ("id",), **changes},
    )  # fmt: skip


def test_what_a_target_refuses_is_not_the_querys() -> None:
    said = {"sqlstate": "22012", "said": "division by zero"}
    mine, theirs = DatabaseError("x", **said), DatabaseError("x", **said, **{OF_TARGET: True})
    assert of_query(mine, PostgreSQL(), str).details["field"] == "source_sql"
    assert of_query(theirs, PostgreSQL(), str) is theirs


def test_a_duplicate_is_the_targets_only() -> None:
    assert not is_duplicate(refused(), PostgreSQL())
    assert is_duplicate(refused(of_target=True), PostgreSQL())
    assert is_duplicate(refused(sqlstate="ORA-00001", of_target=True), Oracle())
    assert not is_duplicate(refused(of_target=True, field="x"), PostgreSQL())


STAGED = {"staging": '"public"."mapper_dask_stage_1"'}


@pytest.mark.parametrize(
    ("changes", "key", "field", "told"),
    [
        ({}, ("id",), "write_disposition", "duplicate (id); a row with that key is there already"),
        (
            {},
            ("code",),
            "write_disposition",
            "give write_disposition='merge', primary_key=['code']",
        ),
        ({}, ("lower(x)",), "write_disposition", "comes twice: set such rows aside"),
        ({}, (), "write_disposition", "duplicate; a row with that key"),
        ({"unique_keys": (("id",),)}, (), "write_disposition", "duplicate (id); a row"),
        ({**STAGED, "staged_key": ("id",)}, ("id",), "newest_by", "have the same id, and a merge"),
        (
            {**STAGED, "staged_key": ("id",)},
            ("code",),
            "source_sql",
            "the same code comes twice in",
        ),
        (
            STAGED,
            ("id",),
            "source_sql",
            "same id comes twice in the query, and is unique in target_table",
        ),
        (STAGED, (), "source_sql", "a row comes twice in the query, by a unique key"),
    ],
)
def test_the_key_that_was_broken_is_named(
    changes: dict[str, Any], key: tuple[str, ...], field: str, told: str
) -> None:
    said = 'duplicate key value violates unique constraint "mapper_dask_stage_1_pkey"'
    error = refused(said=said if "staging" in changes else "duplicate")
    blamed = of_duplicate(error, target(**changes), key)
    assert blamed.details["field"] == field
    assert told in str(blamed)
    assert "mapper_dask_stage" not in str(blamed)


@pytest.mark.parametrize(
    ("said", "constraint"),
    [
        ('duplicate key value violates unique constraint "two_pkey"; COPY two, line 1', "two_pkey"),
        ('duplicate key value violates unique constraint "a b"', "a b"),
        ("doppelter Schlüsselwert verletzt Unique-Constraint »two_pkey«", "two_pkey"),
    ],
)
def test_the_constraint_an_error_names(said: str, constraint: str) -> None:
    assert remedies.constraint_of(said) == constraint


@pytest.mark.parametrize("said", ["(MART.TWO_PK) violated", "(TWO_PK) violated on table MART.TWO"])
def test_the_constraint_oracle_names(said: str) -> None:
    assert of_oracle.constraint_of(f"ORA-00001: unique constraint {said}") == "TWO_PK"


def test_a_question_of_our_own_never_hides_what_was_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise DatabaseError("the link broke", transient=True)

    monkeypatch.setattr(grants, "require_grants", refused)
    job: Any = None
    with pytest.raises(DatabaseError, match="met first"), grants.lacking_grants(job, job):
        raise DatabaseError("met first")
