"""Whatever PostgreSQL runs as two statements never passes: a fuzzer over what its lexer knows.

Each text closes the bracket that the library puts around it, and leaves the transaction that can't
write: by a COMMIT, and then a table is made and another dropped. In front of that and behind stand
strings, names and comments of one kind, of random content, which other lexers may read otherwise.
That a text works is shown first, by what psycopg2 sends: without a guard it would have escaped.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import (
    ChunkManager,
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
    read_sql_query,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import copying, libpq, queries, transfer
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import MapperError
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import SourceQuery, TargetTable, TypeFamily
from tests.database import Database, Server, fresh_databases
from tests.sessions import source_of, target_of

pytestmark = pytest.mark.integration

TEXTS = 200
"""Texts of each kind: half in a session with standard_conforming_strings, half without."""

PAYLOAD = "COMMIT; CREATE TABLE planted (i int); DROP TABLE victim; COMMIT"

PIECES = (
    *(
        "a",
        "é",
        "漢",
        "💣",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\f",
        ";",
        ")",
        "(",
        "))",
        "((",
        ",",
        "$",
        "$$",
    ),
    *("--", "/*", "*/", ") AS q; ", "'x", '"x', "E'", "U&'", "$a$", "q'", "{", "%s", "%(a)s", ":a"),
    *("COMMIT;", "DROP TABLE victim;", "\\", "\\\\", "\\'", "''", '""', "?", "||", "@", "`"),
)


def content(rnd: random.Random, *banned: str) -> str:
    made = "".join(rnd.choices(PIECES, k=rnd.randint(0, 8)))
    for text in banned:
        made = made.replace(text, "")
    return made


def plain(rnd: random.Random) -> str:
    """Return a string that is the same with and without escapes."""
    return "'" + content(rnd, "\\").replace("'", "''") + "'"


def escaped(rnd: random.Random) -> str:
    inner = content(rnd, "\\").replace("'", rnd.choice(["''", "\\'"]))
    return rnd.choice("eE") + "'" + inner + rnd.choice(["", "\\\\", "\\'", "\\x41", "\\n\\'"]) + "'"


def continued(rnd: random.Random) -> str:
    """Return a string with escapes that goes on in other lines, without an E of its own there."""
    between = rnd.choice(["\n", " \n\t", "\r", "\r\n ", "\n-- it's\n", "\f\n", "\n--\n"])
    tail = rnd.choice(["\\'", "\\'\\'", "\\\\\\'", "x\\'"])
    return escaped(rnd) + between + "'" + tail + "'"


def unicode(rnd: random.Random) -> str:
    mark = rnd.choice("!@#^~")
    inner = content(rnd, "\\", mark).replace("'", "''")
    return (
        f"{rnd.choice('uU')}&'{inner}{rnd.choice(['', mark * 2, mark + '0061'])}' UESCAPE '{mark}'"
    )


def dollars(rnd: random.Random) -> str:
    tag = rnd.choice(["$$", "$a$", "$é$", "$_1$", "$SELECT$"])
    return tag + content(rnd, "$") + rnd.choice(["'", '"', "\\'", "/*", ""]) + tag


def prefixed(rnd: random.Random) -> str:
    return rnd.choice(
        [
            f"N{plain(rnd)}",
            f"n{plain(rnd)}",
            f"B'{''.join(rnd.choices('01', k=5))}'",
            f"X'{''.join(rnd.choices('0aF', k=4))}'",
            f"date'2024-01-01'::text || {plain(rnd)}",
        ]
    )


def commented(rnd: random.Random) -> str:
    inner = content(rnd, "/", "*")
    line = content(rnd, "\n", "\r", "\f")
    return "1 " + rnd.choice(
        [
            f"/*{inner}*/",
            f"/*{inner}/*{inner}*/;{inner}*/",
            f"--{line}\r",
            f"--{line}\n",
            f"--{line}\r\n",
            f"/*{inner}*//**/--{line}\r",
            f"--{line}/*\r",
        ]
    )


def named(rnd: random.Random) -> str:
    inner = content(rnd, "\\", '"')[:20]
    return "1 AS " + rnd.choice(
        [
            "a$b$",
            "a$$b",
            "é$a$",
            "_$1",
            f'"x{inner}"',
            f'U&"x{inner}"',
            f"U&\"x{inner.replace('!', '')}\" UESCAPE '!'",
            '"a""b"',
        ]
    )


KINDS: dict[str, Callable[[random.Random], str]] = {
    f.__name__: f for f in (plain, escaped, continued, unicode, dollars, prefixed, commented, named)
}

ENDS = (
    "",
    " --'",
    " --\\'",
    ' --"',
    " -- $b$",
    " -- $$",
    " /* ' */",
    ' /* " */',
    "\n",
    "\r",
    " -- */",
)
"""Behind it all: what lets another lexer find an end to what it takes for a string."""


def texts(kind: str, count: int) -> Iterator[str]:
    make, rnd = KINDS[kind], random.Random(kind)
    for _ in range(count):
        first, last = make(rnd), make(rnd)
        yield (
            f"SELECT {first} FROM victim) AS q LIMIT 0; {PAYLOAD}; "
            f"SELECT * FROM (SELECT {last} FROM planted{rnd.choice(ENDS)}"
        )


@dataclass
class Ground:
    """A database that each text attacks, with and without standard_conforming_strings."""

    source: Database
    target: Database
    ways: Iterator[Callable[[Ground, str], Any]] = field(init=False)
    admin: Any = None

    def __post_init__(self) -> None:
        self.ways = itertools.cycle(WAYS)

    def url(self, *, standard: bool) -> str:
        made = sa.make_url(self.source.url)
        if not standard:
            made = made.update_query_dict({"options": "-cstandard_conforming_strings=off"})
        return made.render_as_string(hide_password=False)

    def restore(self) -> None:
        with self.admin.cursor() as cursor:
            cursor.execute(
                "DROP TABLE IF EXISTS planted; CREATE TABLE IF NOT EXISTS victim (i int)"
            )

    @property
    def is_whole(self) -> bool:
        with self.admin.cursor() as cursor:
            cursor.execute("SELECT to_regclass('planted') IS NULL, to_regclass('victim') IS NULL")
            return cursor.fetchone() == (True, False)

    def escapes(self, text: str, *, standard: bool) -> bool:
        """Return whether a text takes effect as a simple message, as it was sent once."""
        conn = psycopg2.connect(self.plain(standard=standard))
        try:
            with conn.cursor() as cursor, contextlib.suppress(psycopg2.Error):
                cursor.execute("SET TRANSACTION READ ONLY")
                cursor.execute(f"SELECT * FROM (\n{text}\n) AS q LIMIT 0")
        finally:
            conn.close()
        escaped = not self.is_whole
        self.restore()
        return escaped

    def plain(self, *, standard: bool) -> str:
        return self.url(standard=standard).replace("+psycopg2", "")


@pytest.fixture(scope="module")
def ground(postgres_server: Server) -> Iterator[Ground]:
    with fresh_databases(postgres_server) as fresh:
        made = Ground(*fresh)
        made.admin = psycopg2.connect(made.plain(standard=True))
        made.admin.autocommit = True
        made.restore()
        made.target.execute("CREATE TABLE t (a text)")
        yield made
        made.admin.close()
        dispose_engines()


def a_job(ground: Ground, text: str, url: str, **options: Any) -> MapperJob:
    return MapperJob(
        source_conn=url,
        source_sql=text,
        target_conn=ground.target.url,
        target_table="t",
        **options,
    )


def moved(ground: Ground, text: str, url: str, **options: Any) -> None:
    ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source_conn=url,
        source_sql=text,
        target_conn=ground.target.url,
        target_table="t",
        **options,
    )


def in_windows(ground: Ground, text: str, url: str) -> None:
    job = FlowJob(name="a", job=a_job(ground, text, url), incremental=Incremental(column="a"))
    ExecutionEngine(1, progress=False).run(Flow(name="f", jobs=(job,))).raise_for_status()


WAYS: tuple[Callable[[Ground, str, str], Any], ...] = (
    lambda ground, text, url: ChunkManager().plan(a_job(ground, text, url)),
    lambda _, text, url: ChunkManager().estimate_total_rows(url, text),
    lambda _, text, url: ChunkManager().detect_key_column(url, text),
    lambda _, text, url: read_sql_query(text, url, npartitions=2),
    moved,
    lambda ground, text, url: moved(ground, text, url, transformation_logic=lambda frame: frame),
    in_windows,
)
"""What takes a query of the user's."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_leaves_its_brackets_by_any_way(ground: Ground, kind: str) -> None:
    worked = 0
    for place, text in enumerate(texts(kind, TEXTS)):
        standard = place % 2 == 0
        worked += ground.escapes(text, standard=standard)
        for way in (WAYS[0], WAYS[place % len(WAYS)]):
            with pytest.raises(MapperError):
                way(ground, text, ground.url(standard=standard))
            assert ground.is_whole, text

    assert worked > TEXTS / 4  # else these are no attacks


TARGET = TargetTable("public", "t", '"public"."t"', (column("a", "text", "text", "S"),))
KEY = (column("a", "text", "text", "S", native=True),)


def as_stored(text: str, conn: Any, target: Any) -> Iterator[Callable[[], Any]]:
    """Yield what a session sends of a plan that holds the text, be it stored by somebody else."""
    source, query = source_of(conn), SourceQuery(text, KEY, KEY)
    marks = source.watermarks()
    number = column("a", "integer", "integer", "N", native=True)
    assert number.family is TypeFamily.INTEGER
    sqls = [
        text,
        queries.wrapped(text),
        source.chunk_query(query, Chunk(0, ChunkKind.WHOLE)),
        source.chunk_query(query, Chunk(0, ChunkKind.KEY_RANGE, lower=("x'\\",))),
        marks.window(text, number, "1", "9", nulls=True),
    ]
    for sql in sqls:
        yield lambda sql=sql: source.describe_query(sql)
        yield lambda sql=sql: copying.copy_out(conn, copying.Out(sql, "text"), bytes)
        yield lambda sql=sql: source.digest(sql, wanted=True)
        yield lambda sql=sql: source.estimate(sql)
    yield lambda: source.count(text, ["a"])
    yield lambda: source.key_marks(text, KEY, 3)
    yield lambda: source.sorted_bounds(query, [("x",)])
    yield lambda: source.has_duplicates(text, ["a"])
    yield lambda: marks.high(text, number, "1")
    yield lambda: marks.nulls(text, number)
    yield lambda: list(source.read(text, KEY, most=Most(9), strict=False))
    yield lambda: transfer.relay(conn, text, target, TARGET, ["a"], "csv")


@pytest.mark.slow
@pytest.mark.parametrize("spoken", ["libpq", "not compiled", "psycopg2 alone"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_session_runs_a_second_statement(
    ground: Ground, kind: str, spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where libpq can't be reached: then the server is asked what a text is before it runs."""
    if spoken != "libpq":
        monkeypatch.setattr(copying, "compiled", None)
    if spoken == "psycopg2 alone":
        monkeypatch.setattr(libpq, "library", lambda: None)
    conns = [psycopg2.connect(ground.plain(standard=standard)) for standard in (True, False)]
    target = psycopg2.connect(ground.target.url.replace("+psycopg2", ""))
    try:
        for place, text in enumerate(texts(kind, TEXTS)):
            conn = conns[place % 2]
            source_of(conn).begin_read(None)
            ways = list(as_stored(text, conn, target))
            for way in random.Random(place).sample(ways, 1):
                source_of(conn).begin_read(None)
                target_of(target).begin_load("", 5)
                with pytest.raises((psycopg2.Error, MapperError)):
                    way()
                assert ground.is_whole, text
    finally:
        for conn in (*conns, target):
            conn.close()
