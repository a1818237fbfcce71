"""Names and values that break careless SQL, CSV and formats arrive as they are, or not at all.

Five hundred examples, each a whole run between two databases: hostile names, hostile values read,
hostile values made by the function, values no text can hold, and failures of a login whose password
is hostile too.
"""

from __future__ import annotations

import contextlib
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from mapper_dask import ChunkingStrategy, MapperError, ParallelProcessor
from mapper_dask.connections.masking import secrets_of
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.errors import ConfigurationError
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Server, fresh_databases

pytestmark = pytest.mark.integration

NAMES, VALUES, MADE, UNFIT, SECRETS = 200, 150, 50, 50, 50
"""Examples of each kind; one takes about 80 ms."""

LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of a name."""

PIECES = [
    *"aB_0.,;:?'\"`\\/%{}()[]<>|&*^~!@#$=+- \t\n\r\x01\x08\x1b\x7f",
    *(
        '""',
        "''",
        "--",
        "/*",
        "*/",
        "%%",
        "%s",
        "%(run_id)s",
        "{}",
        "{0}",
        "$$",
        "$1",
        ":a",
        "\r\n",
    ),
    *("é", "ß", "İ", "漢", "e\u0301", "💣", "👩\u200d👧", "\u200b", "\u202e", "\ufeff", "\u2028"),
    *("\x85", "\xa0", "\uffff", "\U0010ffff"),
]
WHOLE_NAMES = [
    *("select", "table", "NULL", "null", "order", "user", "default", "public", "excluded", "Ctid"),
    *("q", "s", "c", "index", "level_0", "columns", "values", "T", "shape", "0", "-1", "nan"),
    *("mapper_dask_run", "run_id", "chunk_id", "count", "row_number"),
    *(
        " leading",
        "trailing ",
        " ",
        "\n",
        "\t",
        '"',
        "'",
        '""',
        "%",
        "%s",
        "\\",
        ";",
        "--",
        "{",
        "\\.",
    ),
    '"; DROP TABLE mapper_dask_run; --',
    "'; DROP TABLE mapper_dask_run; --",
    "x) TO PROGRAM 'touch x' --",
    "a" * LONGEST_NAME,
    '"' * LONGEST_NAME,
    "漢" * (LONGEST_NAME // 3),
    "%s" * 31,
]
SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}
"""Names the database itself refuses for a column."""


def clipped(text: str) -> str:
    return text.encode()[:LONGEST_NAME].decode(errors="ignore")


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
MIXED = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
NAME = (
    st.sampled_from(WHOLE_NAMES)
    | MIXED.map(clipped)
    | MIXED.map(lambda text: clipped(text * LONGEST_NAME))
    | st.text(CHARACTERS, min_size=1, max_size=LONGEST_NAME).map(clipped)
)
TABLE = NAME.filter(lambda name: name.strip("_") != "")  # its array type has one underscore more
COLUMN = NAME.filter(lambda name: name not in SYSTEM_COLUMNS)
SCHEMA = NAME.filter(lambda name: not name.startswith("pg_") and name != "public")

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
PASSWORD = (MIXED | st.text(CHARACTERS, max_size=20)).map(lambda text: f"pä/§{text}@:s3cret")

HOW = st.sampled_from(["relayed", "decoded", "arrow function", "nullable function"])
"""The ways from source to target: bytes undecoded, Arrow, pandas with either kind of dtypes."""

Row = tuple[Any, ...]


def quoted(name: str) -> str:
    """Return a name as SQL writes it, by the rule of the standard and not by the library's."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Side:
    """One of the two databases, and a connection that stays."""

    url: str
    conn: Any

    def run(self, sql: str, *params: Any) -> list[Row]:
        """Run statements; without parameters a percent sign is itself."""
        with self.conn.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall()) if cursor.description else []

    def fill(self, table: str, rows: Sequence[Row]) -> None:
        with self.conn.cursor() as cursor:
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ".replace("%", "%%") + _marks(row), row)


def _marks(row: Row) -> str:
    return f"({', '.join(['%s'] * len(row))})"


@dataclass(frozen=True)
class Pair:
    source: Side
    target: Side

    @property
    def has_ledger(self) -> bool:
        return self.target.run("SELECT to_regclass('mapper_dask_run')") != [(None,)]

    def ledger(self) -> str:
        """Return all that the ledger's tables hold."""
        names = ("run", "chunk", "reject") if self.has_ledger else ()
        return repr(
            [self.target.run(f"SELECT t::text FROM mapper_dask_{name} t") for name in names]
        )

    @contextlib.contextmanager
    def schemas(self, source: str, target: str) -> Iterator[None]:
        """Lend two schemas for one example, and leave nothing of it behind."""
        self.source.run(f"CREATE SCHEMA {quoted(source)}")
        self.target.run(f"CREATE SCHEMA {quoted(target)}")
        try:
            yield
        finally:
            self.source.run(f"DROP SCHEMA {quoted(source)} CASCADE")
            self.target.run(f"DROP SCHEMA {quoted(target)} CASCADE")
            if self.has_ledger:
                self.target.run("DELETE FROM mapper_dask_run")

    def require_same(self, source: str, target: str) -> None:
        """Compare as bags: every row as often as in the source, each value as it was."""
        assert Counter(self.target.run(target)) == Counter(self.source.run(source))


@pytest.fixture(scope="module")
def pair(postgres_server: Server) -> Iterator[Pair]:
    with fresh_databases(postgres_server) as fresh, contextlib.ExitStack() as stack:
        yield Pair(*(stack.enter_context(_side(database.url)) for database in fresh))
        dispose_engines()


@contextlib.contextmanager
def _side(url: str) -> Iterator[Side]:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield Side(url, connection.connection.driver_connection)


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        phases=[phase for phase in Phase if phase is not Phase.explain],  # it runs many more
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def move(pair: Pair, sql: str, how: str = "relayed", **job: Any) -> ParallelProcessingResult:
    """Run a job in this process; a function is only called where the way there has one."""
    if how.endswith("function"):
        job.setdefault("transformation_logic", unchanged)
        job["dtype_backend"] = "pyarrow" if how.startswith("arrow") else "numpy_nullable"
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    job = {"source_conn": pair.source.url, "target_conn": pair.target.url, **job}
    return processor.process_mapper_job(source_sql=sql, **job)


# -- names -----------------------------------------------------------------------------------------


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


# -- secrets ---------------------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """Return all that a log or a terminal could show of an error, its causes included."""
    texts = ["".join(traceback.format_exception(error, chain=True))]
    cause: BaseException | None = error
    while cause is not None:
        texts += [str(cause), repr(cause), repr(cause.args), repr(vars(cause))]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, made of hostile names."""

    sql: str
    job: dict[str, Any]
    named: str
    """What the error must name."""


def raising(text: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def raises(_: pd.DataFrame) -> pd.DataFrame:
        raise ValueError(text)

    return raises


FAULTS = ("no table", "no schema", "no key", "bad query", "no column", "function", "twice")


def fault(kind: str, name: str) -> Fault:
    sql, target = "SELECT id, t FROM s.f", {"target_schema": "s", "target_table": "f"}
    faults = {
        "no table": Fault(sql, {**target, "target_table": name}, quoted(name)),
        "no schema": Fault(sql, {**target, "target_schema": name}, quoted(name)),
        "no key": Fault(sql, {**target, "key_column": name}, name),
        "bad query": Fault(f"SELECT {quoted(name)} FROM s.f AS f", target, name),
        "no column": Fault(f"SELECT id, t AS {quoted(name)} FROM s.f", target, name),
        "function": Fault(sql, {**target, "transformation_logic": raising(name)}, name),
        "twice": Fault(sql, {**target, "target_table": "once"}, "once_id_key"),
    }
    return faults[kind]


@examples(SECRETS)
@given(
    kind=st.sampled_from(FAULTS),
    name=SCHEMA.filter(lambda name: name not in {*SYSTEM_COLUMNS, "f", "id", "t", "s"}),
    password=PASSWORD,
    server=st.sampled_from(["open", "closed"]),
)
def test_no_failure_shows_a_password_or_a_value(
    pair: Pair, kind: str, name: str, password: str, server: str
) -> None:
    # The server trusts its socket, so any password opens it; this one must only stay hidden.
    urls = [sa.make_url(side.url).set(password=password) for side in (pair.source, pair.target)]
    if server == "closed":
        urls[0] = sa.URL.create("postgresql+psycopg2", "u", password, "127.0.0.1", 1, "d")
    failing = fault(kind, name)
    with pair.schemas("s", "s"):
        pair.source.run("CREATE TABLE s.f AS SELECT 5 AS id, 'a private value' AS t")
        pair.target.run("CREATE TABLE s.f (id int, t text)")
        pair.target.run("CREATE TABLE s.once (id int UNIQUE, t text)")
        pair.target.run("INSERT INTO s.once VALUES (5)")

        with pytest.raises(MapperError) as caught:
            move(
                pair, failing.sql, source_conn=urls[0], target_conn=urls[1], **failing.job
            ).raise_for_status()

        text = shown(caught.value)
        named = (failing.named, repr(failing.named)[1:-1])
        assert server == "closed" or any(name in str(caught.value) for name in named)
        assert pair.target.run("TABLE s.f") == []
        for hidden in (*secrets_of(urls[0]), "a private value", repr(password)[1:-1]):
            assert hidden not in text
            assert hidden not in pair.ledger()
        dispose_engines()  # of two URLs that no other example has
