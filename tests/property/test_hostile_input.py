"""Names and values that break careless SQL, CSV and formats arrive as they are, or not at all.

Examples, each a whole run between two databases: hostile names, hostile values read, hostile values
made by the function, and values no text can hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mapper_dask import ChunkingStrategy, ParallelProcessor
from mapper_dask.errors import ConfigurationError
from tests.long_form import MADE, NAMES, UNFIT, VALUES
from tests.property.hostile import (
    CHARACTERS,
    COLUMN,
    MIXED,
    SCHEMA,
    TABLE,
    Pair,
    Row,
    examples,
    move,
    quoted,
)

pytestmark = pytest.mark.integration

WHOLE_VALUES = [
    *(
        "",
        " ",
        "NULL",
        "null",
        "\\N",
        "\\.",
        "\n\\.\n",
        "\\.\r\n",
        '"',
        '""',
        '","',
        "''",
        "\\",
        "\\\\",
    ),
    *("\r", "\n", "\r\n", "a\r\nb", "\t", ",", ",,", "a,b\n", '"a"\n"b"', "NaN", "inf", "t", "f"),
    *("{}", "{NULL}", '{"a,b"}', "[null]", "%s", "%(x)s", "%", "{0}", "$$", "\x01", "\x1a", "\x7f"),
    *("\ufeff", "\ufffe", "\uffff", "\U0010ffff", "\x85", "\u2028", "e\u0301", "é"),
    "'); DROP TABLE mapper_dask_run; --",
    "x" * 40_000,
    '"\r\n' * 9_000,
]
VALUE = st.sampled_from(WHOLE_VALUES) | MIXED | st.text(CHARACTERS, max_size=40)
RUN_ID = VALUE.filter(bool)

HOW = st.sampled_from(["relayed", "decoded", "arrow function", "nullable function"])
"""The ways from source to target: bytes undecoded, Arrow, pandas with either kind of dtypes."""


@dataclass(frozen=True)
class Cast:
    """The names of one example, each in a part of its own."""

    schemas: tuple[str, str]
    tables: tuple[str, str]
    columns: list[str]
    renamed: list[str]
    run_id: str

    @property
    def source(self) -> str:
        return f"{quoted(self.schemas[0])}.{quoted(self.tables[0])}"

    @property
    def target(self) -> str:
        return f"{quoted(self.schemas[1])}.{quoted(self.tables[1])}"


CASTS = st.integers(1, 4).flatmap(
    lambda width: st.builds(
        Cast,
        schemas=st.tuples(SCHEMA, SCHEMA),
        tables=st.tuples(TABLE, TABLE),
        columns=st.lists(COLUMN, min_size=width, max_size=width, unique=True),
        renamed=st.lists(COLUMN, min_size=width, max_size=width, unique=True),
        run_id=RUN_ID,
    )
)
WAYS_TO_CUT = st.sampled_from(["named", "ordered", "primary", "addresses", "windows"])
KEYS = (1, 2, 3, 3, 5, 8)


def table_of(names: Sequence[str], *, key: str = "int", other: str = "text") -> str:
    return ", ".join(
        f"{quoted(name)} {other if place else key}" for place, name in enumerate(names)
    )


def cut(way: str, names: Cast) -> tuple[str, dict[str, Any]]:
    """Return the query and the options that make the library cut it in some way."""
    sql, key = f"SELECT * FROM {names.source}", names.columns[0]
    match way:
        case "named":
            return sql, {"key_column": key}
        case "ordered":
            return f"{sql} ORDER BY {quoted(key)};", {}
        case "addresses":
            return f"{sql} AS {quoted(names.tables[1])}", {"strategy": "ROWID_BASED"}
        case "windows":
            return sql, {"strategy": ChunkingStrategy.OFFSET_LIMIT, "key_column": key}
        case _:
            return sql, {}


@examples(NAMES)
@given(names=CASTS, how=HOW, way=WAYS_TO_CUT, columns=st.sampled_from(["every column", "named"]))
def test_names_are_taken_as_they_are(
    pair: Pair, names: Cast, how: str, way: str, columns: str
) -> None:
    unique = way in ("primary", "windows")
    kept = names.renamed if how.endswith("function") else names.columns
    rows = [(key, *names.columns[1:]) for key in (range(6) if unique else (*KEYS, None))]
    with pair.schemas(*names.schemas):
        key = "int PRIMARY KEY" if unique else "int"
        pair.source.run(f"CREATE TABLE {names.source} ({table_of(names.columns, key=key)})")
        pair.source.fill(names.source, rows)
        other = "varchar(99)" if how == "decoded" else "text"
        pair.target.run(f"CREATE TABLE {names.target} ({table_of(kept, other=other)})")
        sql, options = cut(way, names)
        if how.endswith("function"):
            options["transformation_logic"] = renaming(names.columns, kept)
        if columns == "named":
            options["columns"] = names.columns
        target = {"target_schema": names.schemas[1], "target_table": names.tables[1]}

        result = move(pair, sql, how, chunk_size=2, run_id=names.run_id, **target, **options)

        result.raise_for_status()
        pair.require_same(f"TABLE {names.source}", f"TABLE {names.target}")
        assert result.run_id == names.run_id
        assert pair.target.run("SELECT run_id FROM mapper_dask_run") == [(names.run_id,)]
        again = ParallelProcessor(enable_parallel=False).resume(
            names.run_id,
            target_conn=pair.target.url,
            transformation_logic=options.get("transformation_logic"),
        )
        assert again.total_rows_successful == len(rows)
        str(again), again._repr_html_()


def renaming(before: Sequence[str], after: Sequence[str]) -> Callable[[Any], pd.DataFrame]:
    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        assert list(frame.columns) == list(before)
        return frame.rename(columns=dict(zip(before, after, strict=True)))

    return renamed


def test_a_key_may_have_a_name_of_the_librarys_own(pair: Pair) -> None:
    with pair.schemas("s", "s"):
        pair.target.run("CREATE TABLE s.p (mapper_dask_position int)")
        sql = "SELECT generate_series(1, 9) AS mapper_dask_position"

        result = move(
            pair,
            sql,
            target_schema="s",
            target_table="p",
            key_column="mapper_dask_position",
            chunk_size=2,
        )

        assert result.chunks_succeeded == 5 + 1
        pair.require_same(sql, "TABLE s.p")


# -- values ----------------------------------------------------------------------------------------


VALUE_TYPES = ("text", "text", "varchar", "text[]", "json", "bytea")
ROWS = st.lists(
    st.tuples(
        st.none() | VALUE,
        st.none() | VALUE,
        st.none() | VALUE,
        st.none() | st.lists(st.none() | VALUE, max_size=3),
        st.none() | VALUE.map(lambda text: json.dumps({text: text}, ensure_ascii=False)),
        st.none() | st.binary(max_size=20),
    ),
    max_size=9,
)
MARKED = [("\ufeff", None, None, None, None, None), ("\ufeff\ufeff,", "\ufeff", *[None] * 4)]
"""What some take for the mark of a file's encoding, at the beginning of all that is read."""
LONG = [("k", "\\.\n" * 700_000, "é" * 600_000, ["x" * 900_000], '""', b"\0" * 500_000)]
"""Over a megabyte each way, which is more than is parsed at a time."""


@examples(VALUES)
@example(rows=MARKED, how="decoded", size=1)
@example(rows=MARKED, how="arrow function", size=1)
@example(rows=LONG, how="decoded", size=1)
@example(rows=LONG * 3, how="arrow function", size=1)
@given(rows=ROWS, how=HOW, size=st.integers(1, 4))
def test_values_arrive_as_they_left(pair: Pair, rows: list[Row], how: str, size: int) -> None:
    with pair.schemas("s", "s"):
        pair.source.run(f"CREATE TABLE s.v ({_columns(VALUE_TYPES)})")
        for row in rows:
            pair.source.run("INSERT INTO s.v VALUES (%s, %s, %s, %s, %s, %s)", *row)
        kept = [*VALUE_TYPES[:1], "varchar", *VALUE_TYPES[2:]] if how == "decoded" else VALUE_TYPES
        pair.target.run(f"CREATE TABLE s.v ({_columns(kept)})")

        result = move(
            pair,
            "SELECT * FROM s.v",
            how,
            target_schema="s",
            target_table="v",
            key_column="c0",
            chunk_size=size,
        )

        result.raise_for_status()
        everything = "SELECT c0, c1, c2, c3::text, c4::text, c5::text FROM s.v"
        pair.require_same(everything, everything)
        assert result.total_rows_successful == len(rows)


def _columns(types: Sequence[str]) -> str:
    return ", ".join(f"c{place} {name}" for place, name in enumerate(types))


@examples(MADE)
@given(
    values=st.lists(st.none() | VALUE, min_size=1, max_size=8),
    dtype=st.sampled_from(["object", "string[pyarrow]", "str", "category"]),
    name=COLUMN,
    arrays=st.lists(st.lists(st.none() | VALUE, max_size=3), min_size=8, max_size=8),
)
def test_what_a_function_makes_arrives_as_it_was_made(
    pair: Pair, values: list[str | None], dtype: str, name: str, arrays: list[list[str | None]]
) -> None:
    assume(name not in ("a", "j"))
    arrays = arrays[: len(values)]

    def made(frame: pd.DataFrame) -> pd.DataFrame:
        texts = pd.Series(values, dtype="object").astype(dtype)
        objects = [{"k": value} for value in values]
        every = pd.DataFrame({name: texts, "a": pd.Series(arrays, dtype="object"), "j": objects})
        return every.iloc[: len(frame)]

    with pair.schemas("s", "s"):
        pair.target.run(f"CREATE TABLE s.m ({quoted(name)} text, a text[], j json)")

        move(
            pair,
            f"SELECT generate_series(1, {len(values)}) AS id",
            transformation_logic=made,
            target_schema="s",
            target_table="m",
            strategy="OFFSET_LIMIT",
            key_column="id",
        ).raise_for_status()

        found = pair.target.run("TABLE s.m")
        assert found == [
            (value, array, {"k": value}) for value, array in zip(values, arrays, strict=True)
        ]


# -- what no text can hold -------------------------------------------------------------------------


UNFIT_TEXT = st.sampled_from(["\0", "a\0b", "\0'; DROP TABLE x; --", "\ud800", "a\udfffb"])
"""A NUL, which no PostgreSQL text can hold, and halves of a surrogate pair, which are no text."""


@examples(UNFIT)
@example(value="a\0b", name="a,b", kind="text[]", dtype="object")
@example(value="\0", name="\r", kind="jsonb", dtype="object")
@example(value="a\0b", name="a,b", kind="jsonb", dtype="object")
@given(
    value=UNFIT_TEXT,
    name=COLUMN,
    kind=st.sampled_from(["text", "varchar(99)", "char(9)", "text[]", "json", "jsonb"]),
    dtype=st.sampled_from(["object", "string[pyarrow]"]),
)
def test_what_no_text_can_hold_fails_its_chunk_and_names_the_column(
    pair: Pair, value: str, name: str, kind: str, dtype: str
) -> None:
    assume(name != "id")
    assume(dtype == "object" or "\0" in value)  # pandas refuses half a pair in the function

    def made(frame: pd.DataFrame) -> pd.DataFrame:
        held = {"text[]": [value], "json": {"k": value}, "jsonb": {"k": value}}.get(kind, value)
        texts = [held if number == 3 else None for number in frame.id]
        column = pd.Series(texts, dtype="object" if held is not value else dtype)
        return pd.DataFrame({name: column, "id": frame.id})

    with pair.schemas("s", "s"):
        pair.target.run(f"CREATE TABLE s.u ({quoted(name)} {kind}, id int)")

        result = move(
            pair,
            "SELECT id FROM generate_series(1, 4) AS id",
            transformation_logic=made,
            target_schema="s",
            target_table="u",
            key_column="id",
            chunk_size=1,
            on_error="continue",
        )

        if kind == "json" and "\0" in value:  # written \\u0000, which a json text may hold
            assert result.succeeded
            return
        kept = pair.target.run(f"SELECT id, {quoted(name)} FROM s.u ORDER BY id")
        assert kept == [(1, None), (2, None), (4, None)], "nothing cut short, nothing left out"
        (error,) = result.errors
        if kind != "jsonb" or not {":", "\n"} & {*name}:  # the server's place ends at a colon
            assert repr(name) in error or f"column {name}" in error
        ledger = pair.target.run("SELECT error FROM mapper_dask_chunk WHERE error IS NOT NULL")
        assert len(ledger) == 1


@pytest.mark.parametrize("field", ["run_id", "target_table", "target_schema", "key_column"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800"], ids=["nul", "half a pair"])
def test_a_name_no_database_can_hold_is_refused_by_field(pair: Pair, field: str, text: str) -> None:
    with pair.schemas("s", "s"):
        pair.target.run("CREATE TABLE s.d (id int)")
        job = {"target_schema": "s", "target_table": "d", field: text}

        with pytest.raises(ConfigurationError) as caught:
            move(pair, "SELECT 1 AS id", **job)

        assert field in str(caught.value)
        assert pair.target.run("TABLE s.d") == []
