"""Rows that were set aside go to the target again, each once, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessingResult, ParallelProcessor, reject
from mapper_dask.chunk.load import TargetSession, target_session
from mapper_dask.chunk.task import LoadTask
from mapper_dask.errors import ConfigurationError, DatabaseError
from mapper_dask.repair import retry_rejects
from mapper_dask.repair.retry_rejects import RetryResult
from tests import builders
from tests.database import Databases

ROWS = 400
MARKED, RAISING, UNFIT, BROKEN = 11, 22, 33, 44
"""What the last two digits of a bad row's id are."""


@pytest.fixture
def shop(databases: Databases) -> Databases:
    return builders.make_shop(
        databases,
        ROWS,
        "g::text AS code, g * 1.25 AS price, g::float8 / 3 AS f, "
        f"CASE g %% 100 WHEN {BROKEN} THEN -1 ELSE g END AS stock, g %% 100 AS last, "
        "timestamptz '2024-01-01 00:00:00.000001Z' + g * interval '1 s' AS at, "
        "decode(lpad(to_hex(g), 4, '0'), 'hex') AS raw",
        target="d (id int PRIMARY KEY, code int, price numeric, f float8, "
        "stock int CHECK (stock >= 0), last int, at timestamptz, raw bytea)",
    )


class Clean:
    """A function in two states: as it was written first, and mended."""

    def __init__(self, *, mended: bool) -> None:
        self.mended = mended

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        if not self.mended and (frame["last"] == RAISING).any():
            message = "n/a is no number"
            raise ValueError(message)
        codes = [
            10**12 if not self.mended and last == UNFIT else int(code)
            for code, last in zip(frame["code"], frame["last"], strict=True)
        ]
        frame = frame.assign(code=pd.Series(codes, index=frame.index, dtype=object))
        where = frame["last"] == MARKED
        return frame if self.mended else reject(frame, where, "the shop does not sell it")


FIRST, MENDED = Clean(mended=False), Clean(mended=True)


def move(shop: Databases, function: Any, **options: Any) -> ParallelProcessingResult:
    usual = {"chunk_size": 100, "reject_limit": ROWS, "run_id": "r"}
    return builders.move(shop, transformation_logic=function, **{**usual, **options})


def again(shop: Databases, function: Any = None) -> RetryResult:
    return ParallelProcessor(enable_parallel=False).retry_rejects(
        "r", target_conn=shop.target.url, source_conn=shop.source.url,
        transformation_logic=function,
    )  # fmt: skip


def reasons(shop: Databases) -> dict[tuple[int, str], str]:
    rows = shop.target.fetch("SELECT (\"row\"->>'id')::int, stage, reason FROM mapper_dask_reject")
    return {(row, stage): reason for row, stage, reason in rows}


def assert_accounted(shop: Databases) -> None:
    """Hold the counts of the ledger against the target and the reject table."""
    [(loaded, rejected, out)] = shop.target.fetch(
        "SELECT sum(rows_loaded), sum(rows_rejected), sum(rows_out) FROM mapper_dask_chunk"
    )
    [(rows, distinct)] = shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d")
    [(aside,)] = shop.target.fetch("SELECT count(*) FROM mapper_dask_reject")
    assert (loaded, rejected, out) == (rows, aside, rows + aside)
    assert rows == distinct


def bags(shop: Databases, sql: str) -> list[Any]:
    return [sorted(database.fetch(sql.format(t=t) )) for database, t in
            ((shop.source, "s"), (shop.target, "d"))]  # fmt: skip


EXACT = "SELECT id, code::int, price, f, at, raw FROM {t}"


def test_mended_function_and_target_take_every_row(shop: Databases) -> None:
    result = move(shop, FIRST)
    assert result.total_rows_rejected == 16
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    done = again(shop, MENDED)
    assert (done.before, done.loaded, done.rejected) == (16, 12, 4)
    assert_accounted(shop)
    left = reasons(shop)
    assert {row % 100 for row, _ in left} == {UNFIT}, "its stored row holds what does not fit"
    assert all("10" in why or "fit" in why for why in left.values())


def test_values_come_back_exactly(shop: Databases) -> None:
    shop.target.execute("ALTER TABLE d ALTER code TYPE text, ADD CHECK (last > 50)")
    move(shop, None)
    assert shop.target.fetch("SELECT count(*) FROM d WHERE last <= 50") == [(0,)]
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_last_check")
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    done = again(shop)
    assert (done.rejected, done.loaded) == (0, done.before)
    source, target = bags(shop, EXACT)
    assert source == target
    assert_accounted(shop)


def test_what_is_refused_again_stays_with_the_new_reason(shop: Databases) -> None:
    move(shop, FIRST)
    before = reasons(shop)
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check, ADD CHECK (stock <> -1)")
    done = again(shop, FIRST)
    assert (done.loaded, done.rejected) == (0, 16)
    after = reasons(shop)
    assert {row for row, _ in after} == {row for row, _ in before}
    broken = [why for (row, _), why in after.items() if row % 100 == BROKEN]
    assert all("d_stock_check" in why and "violates" in why for why in broken)
    assert_accounted(shop)


def test_a_second_retry_finds_nothing(shop: Databases) -> None:
    move(shop, FIRST)
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    first = again(shop, MENDED)
    second = again(shop, MENDED)
    assert (first.loaded, second.loaded) == (12, 0)
    assert_accounted(shop)


def test_marked_rows_without_a_key_stay_and_say_why(shop: Databases) -> None:
    move(shop, FIRST, strategy="ROWID_BASED")
    again(shop, MENDED)
    left = {why for (row, _), why in reasons(shop).items() if row % 100 == MARKED}
    [why] = left
    assert why.startswith("the shop does not sell it — not tried again: ")
    assert why.endswith("without a key to read it again by")
    assert_accounted(shop)


def test_rows_that_became_several_are_not_tried_alone(shop: Databases) -> None:
    def twice(frame: pd.DataFrame) -> pd.DataFrame:
        both = pd.concat([frame, frame.assign(id=frame["id"] + 1000)], ignore_index=True)
        return reject(both.assign(code=both["id"]), both["id"] == MARKED, "no")

    move(shop, twice)
    again(shop, twice)
    why = [why for (row, _), why in reasons(shop).items() if row == MARKED]
    assert "several rows for one" in why[0]
    assert_accounted(shop)


def test_a_merge_takes_rejects_by_their_key(shop: Databases) -> None:
    shop.target.execute("INSERT INTO d (id, code) VALUES (44, 0)")
    sql = "SELECT id, id AS code, price, stock, last FROM s"
    move(shop, None, source_sql=sql, write_disposition="merge")
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_reject") == [(4,)]
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    assert again(shop).loaded == 4
    assert shop.target.fetch("SELECT code, stock FROM d WHERE id = 44") == [(44, -1)]
    assert_accounted(shop)
    staging = "SELECT relname FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%'"
    assert shop.target.fetch(staging) == []


def test_a_run_whose_rows_were_replaced_since_is_left_alone(shop: Databases) -> None:
    sql = "SELECT id, id AS code, price, stock, last FROM s"
    move(shop, None, source_sql=sql)
    move(shop, None, source_sql=sql, write_disposition="replace", run_id="later")
    with pytest.raises(ConfigurationError, match="'later' has written into"):
        again(shop)


def test_a_run_under_way_is_left_alone(shop: Databases) -> None:
    move(shop, FIRST)
    shop.target.execute("UPDATE mapper_dask_run SET state = 'RUNNING'")
    with pytest.raises(ConfigurationError, match="once it has ended"):
        again(shop, MENDED)


def test_a_commit_whose_answer_is_lost_is_not_done_twice(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(shop, FIRST)
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    lost: list[int] = []

    @contextlib.contextmanager
    def losing(task: LoadTask, chunk_id: int) -> Iterator[TargetSession]:
        with target_session(task, chunk_id) as session:
            yield session
        if chunk_id not in lost:
            lost.append(chunk_id)
            message = "server closed the connection"
            raise DatabaseError(message, transient=True)

    monkeypatch.setattr(retry_rejects, "target_session", losing)
    done = again(shop, MENDED)
    assert lost == [0, 1, 2, 3]
    assert done.rejected == 4
    assert shop.target.fetch("SELECT count(*) FROM d") == [(ROWS - 4,)]
    assert_accounted(shop)


def test_an_error_in_the_middle_changes_nothing(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(shop, FIRST)
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_stock_check")
    before = reasons(shop)

    def broken(*_: Any) -> None:
        message = "in the middle"
        raise DatabaseError(message)

    monkeypatch.setattr("mapper_dask.ledger.run_tables.RunTables.retried", broken)
    with pytest.raises(DatabaseError, match="in the middle"):
        again(shop, MENDED)
    assert reasons(shop) == before
    assert_accounted(shop)
