"""What a run leaves in the ledger, shows as progress and writes to the log."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.events.run_events import RunEvent
from tests.database import Databases
from tests.integration.processor.shop import (
    count,
    fails_on_three_hundreds,
    ledger_sums,
    process,
    query,
    unchanged,
)


def test_ledger_rows_balance(shop: Databases, client: Client) -> None:
    processor = ParallelProcessor(chunk_size=100, client=client)
    result = process(
        shop, lambda f: f[f.id % 3 > 0], dtype_backend="numpy_nullable", processor=processor
    ).raise_for_status()
    rows = query(
        shop.target,
        (
            "SELECT state, rows_out = rows_loaded + rows_rejected, rows_read, "
            "attempts, worker <> '', snapshot IS NOT NULL, seconds > 0, ended_at >= "
            "started_at FROM mapper_dask_chunk"
        ),
    )
    assert set(rows) == {("PROCESSED", True, 100, 1, True, True, True, True)}
    assert ledger_sums(shop.target, result.run_id) == (1000, 667, 667, 0)
    [(plan,)] = query(shop.target, "SELECT plan FROM mapper_dask_run")
    assert plan["sql"] == "SELECT * FROM shop"
    assert plan["job"]["source_conn"] == shop.source.url


def test_progress_may_be_a_function(shop: Databases, client: Client) -> None:
    events: list[RunEvent] = []
    processor = ParallelProcessor(chunk_size=100, client=client, progress=events.append)
    result = process(shop, fails_on_three_hundreds, processor=processor, on_error="continue")
    assert [event.done for event in events] == list(range(1, 11))
    assert sorted(event.chunk.chunk_id for event in events) == list(range(10))
    assert {event.total for event in events} == {10}
    assert {event.run_id for event in events} == {result.run_id}
    assert (events[-1].failed, events[-1].rows) == (1, 1000)
    assert str(events[-1]).startswith("10/10 chunks, 1 failed, 1,000 rows")


def test_progress_prints_lines_where_there_is_no_terminal(
    shop: Databases, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    process(shop, processor=ParallelProcessor(1, 20, progress=True))
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("50/50 chunks, 1,000 rows")
    assert shown.out == ""


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress_unasked(
    shop: Databases, capsys: pytest.CaptureFixture[str], *, progress: bool | None
) -> None:
    process(shop, processor=ParallelProcessor(1, 100, progress=progress))
    assert capsys.readouterr() == ("", "")


def test_logs_tell_each_chunk(shop: Databases, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        result = process(shop, fails_on_three_hundreds, on_error="continue")
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("mapper_dask")]
    for chunk in range(10):
        assert any(f"run={result.run_id} chunk={chunk} state=" in text for text in messages)
    assert any("chunk=3 state=PROCESSED_WITH_ERROR" in text for text in messages)
    warned = [r for r in caplog.records if r.levelno == logging.WARNING]
    # The tests' server runs without fsync, and the plan says so.
    assert len([r for r in warned if "fsync = off" not in r.getMessage()]) == 1


def test_interrupted_run_is_cancelled_and_can_go_on(shop: Databases) -> None:
    def interrupt(event: RunEvent) -> None:
        if event.done == 4:
            raise KeyboardInterrupt

    processor = ParallelProcessor(1, 100, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        process(shop, unchanged, processor=processor, run_id="r")
    assert query(shop.target, "SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    assert count(shop.target, "sold") == 400
    result = ParallelProcessor(enable_parallel=False).resume("r", target_conn=shop.target.url)
    assert result.raise_for_status().rows_this_run == 600
    assert query(shop.target, "SELECT count(*), count(DISTINCT id) FROM sold") == [(1000, 1000)]


def test_connections_may_be_engines_and_variables(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SOURCE", shop.source.url)
    engine = sa.create_engine(shop.target.url)
    ParallelProcessor(enable_parallel=False).process_mapper_job(
        "env:SHOP_SOURCE", "SELECT * FROM shop", None, engine, "public", "sold"
    ).raise_for_status()
    assert count(shop.target, "sold") == 1000
    engine.dispose()


def test_quoted_names_all_the_way(databases: Databases, client: Client) -> None:
    columns = '"Key %s" int PRIMARY KEY, "a ""b""" text, "漢字" text, "100%" text'
    source, target = '"S %s"."T ""%s"""', '"Out %s"."To ""%s"""'
    query(databases.source, f'CREATE SCHEMA "S %s"; CREATE TABLE {source} ({columns})')
    query(
        databases.source,
        (f"INSERT INTO {source} SELECT i, 'x%', NULL, '' FROM generate_series(1, 500) i"),
    )
    query(databases.target, f'CREATE SCHEMA "Out %s"; CREATE TABLE {target} ({columns})')
    processor = ParallelProcessor(chunk_size=100, client=client)
    for function in (None, unchanged):
        query(databases.target, f"TRUNCATE {target}")
        processor.process_mapper_job(
            databases.source.url,
            f"SELECT * FROM {source}",
            function,
            databases.target.url,
            "Out %s",
            'To "%s"',
        ).raise_for_status()
        found = query(
            databases.target,
            f'SELECT count(*), min("a ""b"""), count("漢字"), max("100%") FROM {target}',
        )
        assert found == [(500, "x%", 0, "")]
