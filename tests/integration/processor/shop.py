"""The jobs and functions that whole runs are tested with."""

# ruff: noqa: EM101 - short errors raised on purpose, spies that ignore what they see
from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from tests.database import Database, Databases


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def fails_on_three_hundreds(frame: pd.DataFrame) -> pd.DataFrame:
    """Fail where a row is asked for that only one chunk of a hundred rows has."""
    if (frame.id == 350).any():
        raise ValueError("no bread today")
    return frame


def always_fails(frame: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError(f"{len(frame)} rows are too many")


def query(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """Run statements and return the rows of the last; a percent sign in them is itself."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return rows


def ledger_sums(database: Database, run_id: str) -> tuple[int, int, int, int]:
    return query(
        database,
        (
            f"SELECT sum(rows_read), sum(rows_out), sum(rows_loaded), "
            f"sum(rows_rejected) FROM mapper_dask_chunk WHERE run_id = '{run_id}'"
        ),
    )[0]


def count(database: Database, table: str) -> int:
    return int(query(database, f"SELECT count(*) FROM {table}")[0][0])


def process(
    databases: Databases,
    function: Callable[[pd.DataFrame], Any] | None = None,
    *,
    processor: ParallelProcessor | None = None,
    sql: str = "SELECT * FROM shop",
    **options: Any,
) -> Any:
    mover = processor or ParallelProcessor(chunk_size=100, enable_parallel=False)
    return mover.process_mapper_job(
        databases.source.url, sql, function, databases.target.url, None, "sold", **options
    )


def _mended(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function under the name of one that failed, as an edited file would hold it."""

    def function(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    function.__qualname__ = function.__name__ = name
    return function
