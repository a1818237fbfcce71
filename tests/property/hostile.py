"""Names and values that break careless SQL, CSV and formats, and two databases for them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from mapper_dask import ParallelProcessor
from mapper_dask.parallel_result import ParallelProcessingResult

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
