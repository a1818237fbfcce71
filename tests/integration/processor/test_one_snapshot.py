"""All chunks of a run read one snapshot, or the result says that they did not."""

# ruff: noqa: ARG001 - short errors raised on purpose, spies that ignore what they see
from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import ParallelProcessor
from tests.database import Database, Databases
from tests.integration.processor.shop import process, query, unchanged


@contextlib.contextmanager
def transfers(database: Database) -> Iterator[Callable[[], int]]:
    """Move amounts between accounts all the while; lend a function that tells how many it moved."""
    stop, moved = threading.Event(), [0]

    def move() -> None:
        engine = sa.create_engine(database.url, poolclass=sa.NullPool)
        with contextlib.closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            while not stop.is_set():
                n = moved[0] * 37 % 1000
                cursor.execute(
                    (
                        "UPDATE account SET amount = amount + CASE id WHEN %s THEN 10 ELSE -10 END "
                        "WHERE id IN (%s, %s)"
                    ),
                    (n + 1, n + 1, 1000 - n if 1000 - n != n + 1 else 1),
                )
                connection.commit()
                moved[0] += 1

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield lambda: moved[0]
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def accounts(databases: Databases) -> Databases:
    query(
        databases.source,
        (
            "CREATE TABLE account AS SELECT i AS id, 1000 AS amount "
            "FROM generate_series(1, 1000) i; ALTER TABLE account ADD PRIMARY KEY (id)"
        ),
    )
    query(databases.target, "CREATE TABLE sold (id int, amount int)")
    return databases


@pytest.mark.parametrize("strategy", ["KEY_BASED", "ROWID_BASED", "OFFSET_LIMIT"])
def test_one_snapshot_under_concurrent_transfers(
    accounts: Databases, client: Client, strategy: str
) -> None:
    with transfers(accounts.source) as moved:
        for _ in range(2):
            query(accounts.target, "TRUNCATE sold")
            before = moved()
            result = process(
                accounts,
                unchanged,
                sql="SELECT * FROM account",
                processor=ParallelProcessor(chunk_size=50, client=client),
                strategy=strategy,
            ).raise_for_status()
            assert moved() > before
            assert result.consistent
            assert len({chunk.snapshot for chunk in result.chunk_results}) == 1
            assert query(
                accounts.target, "SELECT sum(amount), count(*), count(DISTINCT id) FROM sold"
            ) == [(1_000_000, 1000, 1000)]


def test_without_a_snapshot_the_result_says_so(accounts: Databases) -> None:
    result = process(accounts, sql="SELECT * FROM account", consistent=False).raise_for_status()
    assert not result.consistent
    assert {chunk.snapshot for chunk in result.chunk_results} == {None}
    assert "one snapshot     no" in str(result)


def test_lost_snapshot_is_said(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper's session is ended in mid-run: the rest is read as it is then."""
    killed: list[int] = []

    def end_keeper(frame: pd.DataFrame) -> pd.DataFrame:
        if (frame.id == 450).any() and len(frame) == 100 and not killed:
            killed.append(1)
            query(
                shop.source,
                (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "ORDER BY xact_start LIMIT 1"
                ),
            )
        return frame

    result = process(shop, end_keeper, run_id="r").raise_for_status()
    assert killed
    assert not result.consistent
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]
