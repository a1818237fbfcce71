"""Chunks that are read ahead: their rows arrive once, and what is wrong with them is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.chunk import reading
from mapper_dask.chunk.reading import ChunkReader
from mapper_dask.dialects.postgresql import copying, libpq, lines, rows
from tests.database import Databases

ROWS = 1_000
CHUNKS = 5


@pytest.fixture
def moved(databases: Databases) -> Databases:
    databases.source.execute(
        "CREATE TABLE t AS SELECT g AS id, 'x' || g AS v FROM generate_series(1, %s) g", ROWS
    )
    databases.source.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
    databases.source.execute("ANALYZE t")
    databases.target.execute("CREATE TABLE t (id int, v text)")
    return databases


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Read ahead however busy this machine is; lend the keys of what was begun, in order."""
    keys: list[Any] = []

    class Kept(dict):
        def __setitem__(self, key: Any, value: ChunkReader) -> None:
            keys.append(key)
            super().__setitem__(key, value)

    monkeypatch.setattr(reading, "IDLE", -1.0)
    monkeypatch.setattr(reading, "_ahead", Kept())
    yield keys
    assert not reading._ahead


def upper(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=frame.v.str.upper())


def move(databases: Databases, function: Any = upper, **options: Any) -> Any:
    processor = ParallelProcessor(enable_parallel=False, chunk_size=ROWS // CHUNKS, progress=False)
    source, target = databases.source.url, databases.target.url
    return processor.process_mapper_job(
        source, "SELECT * FROM t", function, target, None, "t", **options
    )


def loaded(databases: Databases) -> list[tuple[Any, ...]]:
    return databases.target.fetch("SELECT count(*), count(DISTINCT id), min(v), max(v) FROM t")


def test_every_chunk_but_the_first_is_read_while_the_one_before_is_loaded(moved, begun):
    result = move(moved).raise_for_status()

    assert result.chunks_total == CHUNKS
    assert [chunk_id for _, _, chunk_id in begun] == list(range(1, CHUNKS))
    assert loaded(moved) == [(ROWS, ROWS, "X1", "X999")]


def test_nothing_is_read_ahead_without_room(moved, begun, monkeypatch):
    monkeypatch.setattr(reading, "TIMES_FREE", 10**15)

    move(moved).raise_for_status()

    assert begun == []
    assert loaded(moved) == [(ROWS, ROWS, "X1", "X999")]


def test_nothing_is_read_ahead_where_the_processors_are_busy(moved, begun, monkeypatch):
    monkeypatch.setattr(reading, "IDLE", 1.1)

    move(moved).raise_for_status()

    assert begun == []


def test_a_chunk_whose_reading_fails_is_the_one_that_is_told(moved):
    moved.source.execute("CREATE FUNCTION odd(i int) RETURNS int IMMUTABLE LANGUAGE sql AS "
                         "'SELECT CASE WHEN i = 500 THEN i / (i - 500) ELSE i END'")  # fmt: skip
    processor = ParallelProcessor(enable_parallel=False, chunk_size=ROWS // CHUNKS, progress=False)

    result = processor.process_mapper_job(
        moved.source.url, "SELECT id, v, odd(id) AS n FROM t",
        lambda frame: upper(frame)[["id", "v"]], moved.target.url, None, "t",
        key_column="id", on_error="continue",
    )  # fmt: skip

    failed = [chunk for chunk in result.chunk_results if chunk.error]
    assert [chunk.chunk_id for chunk in failed] == [2]
    assert "source_sql: division by zero" in failed[0].error
    assert loaded(moved)[0][:2] == (ROWS - ROWS // CHUNKS, ROWS - ROWS // CHUNKS)


def test_what_nobody_asks_for_is_let_go(moved, begun, monkeypatch):
    """A run that stops leaves no chunk behind that was read for it."""
    monkeypatch.setattr(reading, "LINGER", 0.01)

    def fails(_: pd.DataFrame) -> pd.DataFrame:
        message = "no"
        raise ValueError(message)

    result = move(moved, fails)

    assert result.chunks_succeeded == 0
    for reader in readers():
        reader.join()
    assert len(begun) == 1


def test_a_chunk_in_pieces_that_nobody_asks_for_is_let_go(moved, begun, monkeypatch):
    """Its reader waits with the second piece in hand, and a session of the source's."""
    monkeypatch.setattr(reading, "LINGER", 0.01)
    monkeypatch.setattr(reading, "LOOK", 0.01)
    monkeypatch.setattr(reading, "read_batches", lambda *_: iter([pa.table({}), pa.table({})]))
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    job = MapperJob(source_conn=moved.source.url, source_sql="SELECT * FROM t", chunk_size=ROWS)
    plan, chunks = processor.prepare(job)

    reading.read_ahead(chunks.task.read, plan.chunks[0], 1)

    for reader in readers():
        reader.join()
    assert len(begun) == 1


def test_what_was_read_ahead_leaves_no_thread_behind(moved, begun):
    """Each would keep an arena of the C library's to itself, and that what chunks left in it."""
    move(moved).raise_for_status()

    assert len(begun) == CHUNKS - 1
    for reader in readers():
        reader.join()
    assert [t for t in threading.enumerate() if isinstance(t, threading.Timer)] == []


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("mapper-dask-read")]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "without a compiler"])
@pytest.mark.parametrize("function", [upper, None], ids=["pandas", "relay"])
def test_both_ways_of_copying_move_the_same_rows(moved, monkeypatch, function, compiled):
    if not compiled:
        monkeypatch.setattr(copying, "compiled", None)
        monkeypatch.setattr(lines, "compiled", None)
        monkeypatch.setattr(rows, "compiled", None)
    elif copying.compiled is None:
        pytest.skip("NO COMPILED COPY: there was no C compiler when the library was installed")

    move(moved, function).raise_for_status()

    x = "X" if function else "x"
    assert loaded(moved) == [(ROWS, ROWS, f"{x}1", f"{x}999")]


REFUSALS = {
    "the source": (
        "SELECT 1000 / (id - 500) AS id, v FROM t",
        "SELECT 1",
        "source_sql: division by zero; ",
    ),
    "the target": (
        "SELECT * FROM t",
        "ALTER TABLE t ADD CHECK (id <> 500)",
        'new row for relation "t" violates check constraint "t_id_check"; COPY t, line 500; ',
    ),
    "the target at its end": (
        "SELECT * FROM t",
        "ALTER TABLE t ADD other int REFERENCES t2 DEFAULT 5",
        'insert or update on table "t" violates foreign key constraint "t_other_fkey"; ',
    ),
}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "without a compiler"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_both_ways_of_relaying_tell_who_refused_what(moved, monkeypatch, refusal, compiled):
    query, change, told = REFUSALS[refusal]
    if not compiled:
        monkeypatch.setattr(copying, "compiled", None)
    elif copying.compiled is None:
        pytest.skip("NO COMPILED COPY: there was no C compiler when the library was installed")
    moved.target.execute("CREATE TABLE t2 (id int PRIMARY KEY)")
    moved.target.execute(change)
    processor = ParallelProcessor(enable_parallel=False, chunk_size=2 * ROWS, progress=False)

    result = processor.process_mapper_job(
        moved.source.url, query, None, moved.target.url, None, "t"
    )

    assert told in result.errors[0]
    assert moved.target.fetch("SELECT count(*) FROM t") == [(0,)]
    moved.target.execute("DROP TABLE t, t2")


def test_libpq_is_found_where_it_can_be_used():
    if copying.compiled is None:
        pytest.skip("NO COMPILED COPY: there was no C compiler when the library was installed")
    functions = libpq.addresses()

    assert functions is not None
    assert len(functions) == len(libpq.FUNCTIONS)
    with pytest.raises(ValueError, match="functions"):
        copying.compiled.copy_out((1,), 1, b"", None, 1)
    with pytest.raises(ValueError, match="functions"):
        copying.compiled.relay((1,), 1, 1, b"", b"", 1)
