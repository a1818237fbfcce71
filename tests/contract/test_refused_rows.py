"""Rows that a target refuses are set aside, each once: when loaded, and when they are published."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mapper_dask import ParallelProcessor
from tests.builders import job_between, run_here
from tests.contract.sides import Side

ROWS, BAD = 200, 20
KINDS = {"id": "integer NOT NULL", "v": "integer", "age": "integer"}
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "referred": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "age"},
}
OLD = {5, 10, 15, 20, 9001}
BAD_IDS = set(range(10, ROWS + 1, 10))
GOOD_IDS = set(range(1, ROWS + 1)) - BAD_IDS

REFUSED_BY = {
    "a foreign key": "FOREIGN KEY (v) REFERENCES {known} (v)",
    "a deferred key": "FOREIGN KEY (v) REFERENCES {known} (v) DEFERRABLE INITIALLY DEFERRED",
}


@pytest.fixture(params=REFUSED_BY)
def tables(request: pytest.FixtureRequest, source: Side, target: Side) -> tuple[str, str, str]:
    """Names of the source's table, the target's, and the one that it refers to."""
    there = source.table(KINDS)
    known = target.table({"v": "integer NOT NULL"}, "PRIMARY KEY (v)")
    target.insert(known, {"v": "integer"}, [(v,) for v in range(1, 10)])
    key = REFUSED_BY[request.param].format(known=known)
    here = target.table(KINDS, f"PRIMARY KEY (id), {key}")
    target.made.remove(here)
    target.made.insert(0, here)
    return there, here, known


def fill(source: Side, target: Side, tables: tuple[str, str, str], way: str) -> None:
    there, here, _ = tables
    source.insert(there, KINDS, [(n, n % 10, 2) for n in range(1, ROWS + 1)])
    if way == "newest":
        source.insert(there, KINDS, [(n, 1, 1) for n in range(1, ROWS + 1)])
    old = {9001} if way in ("append", "atomic") else OLD
    target.insert(here, KINDS, [(n, 1, 0) for n in sorted(old)])
    if way == "referred":
        child = target.table({"id": "integer"}, f"FOREIGN KEY (id) REFERENCES {here} (id)")
        target.made.remove(child)
        target.made.insert(0, child)
        target.insert(child, {"id": "integer"}, [(5,)])


def move(source: Side, target: Side, tables: tuple[str, str, str], way: str, **options: Any) -> Any:
    there, here, _ = tables
    usual = {
        "source_sql": f"SELECT id, v, age FROM {there}", "key_column": "id", "chunk_size": 60,
        "reject_limit": BAD, **WAYS[way], **options,
    }  # fmt: skip
    return run_here(job_between(source, there, target, here, **usual))


def expected(way: str) -> dict[int, int]:
    """Return ids and ages that must be there: a refused update leaves the old row."""
    old = {9001} if way in ("append", "atomic") else OLD
    held = {} if way in ("replace", "referred") else dict.fromkeys(old, 0)
    return held | dict.fromkeys(GOOD_IDS, 2)


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_the_target_refuses_are_set_aside_and_tried_again(
    source: Side, target: Side, tables: tuple[str, str, str], way: str
) -> None:
    fill(source, target, tables, way)
    result = move(source, target, tables, way).raise_for_status()
    assert dict(target.query(f"SELECT id, age FROM {tables[1]}")) == expected(way)
    read = result.total_rows_processed
    assert (result.total_rows_rejected, result.total_rows_successful) == (BAD, read - BAD)
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    frame = processor.rejects(str(result.run_id), target_conn=target.url)
    assert Counter(int(row["id"]) for row in frame.row) == Counter(BAD_IDS)
    assert {int(row["v"]) for row in frame.row} == {0}
    assert {key["id"] for key in frame.key} == BAD_IDS
    by_chunk = Counter(frame.chunk_id)
    assert {
        c.chunk_id: c.rows_rejected for c in result.chunk_results if c.rows_rejected
    } == by_chunk
    target.insert(tables[2], {"v": "integer"}, [(0,)])
    again = processor.retry_rejects(
        str(result.run_id), target_conn=target.url, source_conn=source.url
    )
    assert (again.loaded, again.rejected) == (BAD, 0)
    held = dict(target.query(f"SELECT id, age FROM {tables[1]}"))
    assert held == expected(way) | dict.fromkeys(BAD_IDS, 2)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "append"])
@pytest.mark.parametrize("limit", [0, BAD - 1])
def test_beyond_the_limit_the_target_is_as_it_was(
    source: Side, target: Side, tables: tuple[str, str, str], way: str, limit: int
) -> None:
    fill(source, target, tables, way)
    before = target.query(f"SELECT id, age FROM {tables[1]} ORDER BY id")
    result = move(source, target, tables, way, reject_limit=limit)
    assert not result.succeeded
    assert ("reject_limit" in result.errors[0]) == bool(limit)
    assert target.query(f"SELECT id, age FROM {tables[1]} ORDER BY id") == before
    assert result.total_rows_rejected == 0
