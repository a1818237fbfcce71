"""A saved plan runs as it is, or is refused by the name of what differs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.errors import ConfigurationError, FingerprintError, LedgerError, PlanError
from mapper_dask.plan.saved_plan import SavedPlan
from tests import builders
from tests.database import Databases


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=frame["v"] * 2)


@pytest.fixture
def tables(databases: Databases) -> Databases:
    return builders.make_shop(databases, 500, "g AS v", target="d (id int, v int)")


def job_of(tables: Databases, **changes: Any) -> MapperJob:
    return builders.job_of(tables, transformation_logic=doubled, **{"chunk_size": 100, **changes})


def processor() -> ParallelProcessor:
    return ParallelProcessor(enable_parallel=False)


@pytest.fixture
def saved(tables: Databases, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    ChunkManager().plan(job_of(tables)).save(path)
    return path


def ran(tables: Databases) -> list[tuple[Any, ...]]:
    return tables.target.fetch(
        "SELECT bounds->'lower'->>0 FROM mapper_dask_chunk ORDER BY chunk_id"
    )


def test_exactly_the_saved_chunks_are_run(tables: Databases, saved: Path) -> None:
    tables.source.execute("INSERT INTO s SELECT g, g FROM generate_series(501, 900) g")
    tables.source.execute("INSERT INTO s SELECT g, g FROM generate_series(-50, 0) g")
    result = processor().run(job_of(tables), plan=saved).raise_for_status()
    assert result.chunks_total == 5
    assert ran(tables) == [(None,), ("101",), ("201",), ("301",), ("401",)]
    assert tables.target.fetch("SELECT count(*), sum(v) FROM d") == tables.source.fetch(
        "SELECT count(*), sum(v) * 2 FROM s"
    ), "rows that came since are in the open ends"


def test_a_plan_at_hand_runs_without_a_file(tables: Databases) -> None:
    plan = ChunkManager().plan(job_of(tables))
    with processor().start(job_of(tables, run_id="r"), plan=plan) as run:
        assert run.result().raise_for_status().chunks_total == 5


def test_a_run_that_stands_goes_on_with_the_same_chunks_only(
    tables: Databases, saved: Path
) -> None:
    job = job_of(tables, run_id="r")
    processor().run(job, plan=saved)
    assert processor().run(job, plan=saved).total_rows_successful == 500
    other = ChunkManager().plan(job_of(tables, chunk_size=50))
    with pytest.raises(FingerprintError, match="other chunks"):
        processor().run(job, plan=other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source_sql": "SELECT * FROM s WHERE id > 3"}, "another query"),
        ({"chunk_size": 50}, "another chunk_size: 100, now 50"),
        ({"key_column": "v"}, "another key_column"),
    ],
)
def test_another_job_is_refused(
    tables: Databases, saved: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(FingerprintError, match=said):
        processor().run(job_of(tables, **change), plan=saved)
    assert tables.target.fetch("SELECT count(*) FROM d") == [(0,)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE s ADD more text", "another columns"),
        ("ALTER TABLE s ALTER v TYPE bigint", "another columns"),
        ("ALTER TABLE s DROP CONSTRAINT s_pkey, ALTER id DROP NOT NULL", "id may be NULL now"),
    ],
)
def test_another_source_is_refused(
    tables: Databases, saved: Path, statement: str, said: str
) -> None:
    tables.source.execute(statement)
    with pytest.raises((FingerprintError, PlanError), match=said):
        processor().run(job_of(tables), plan=saved)


def test_windows_are_refused_when_their_order_is_not_unique_any_more(tables: Databases) -> None:
    plan = ChunkManager().plan(job_of(tables, strategy="OFFSET_LIMIT", key_column="v"))
    tables.source.execute("UPDATE s SET v = 7 WHERE id = 8")
    with pytest.raises(PlanError, match="share the same v"):
        processor().run(job_of(tables, strategy="OFFSET_LIMIT", key_column="v"), plan=plan)


UNSORTED = {
    "down and up": [None, "301", "201", "401", "101", None],
    "twice the same": [None, "101", "101", "201", "301", None],
    "down at the end": [None, "101", "201", "301", "299", None],
    "as texts": [None, "1000", "101", "200", "30", None],
    "at the start": [None, "2", "1", "3", "4", None],
    "written otherwise": [None, "101", "0201", "301", "401", None],
}


@pytest.mark.parametrize("how", UNSORTED)
def test_bounds_that_do_not_ascend_are_refused(tables: Databases, saved: Path, how: str) -> None:
    stored = json.loads(saved.read_text("utf-8"))
    for chunk, (lower, upper) in zip(stored["chunks"], pairwise(UNSORTED[how]), strict=True):
        chunk["lower"], chunk["upper"] = lower and [lower], upper and [upper]
    saved.write_text(json.dumps(stored), "utf-8")
    with pytest.raises(PlanError, match="do not ascend"):
        processor().run(job_of(tables), plan=saved)
    assert tables.target.fetch("SELECT count(*) FROM d") == [(0,)]


@pytest.mark.parametrize("how", UNSORTED)
def test_nor_those_of_a_run_that_goes_on(tables: Databases, saved: Path, how: str) -> None:
    del saved
    job = job_of(tables, run_id="r", chunk_size=100)
    with processor().start(job) as run:
        run.result()
    tables.target.execute("DELETE FROM d; UPDATE mapper_dask_run SET state = 'FAILED'")
    for number, (lower, upper) in enumerate(pairwise(UNSORTED[how])):
        ends = json.dumps({"lower": lower and [lower], "upper": upper and [upper]})
        tables.target.execute(
            "UPDATE mapper_dask_chunk SET state = 'UNASSIGNED', rows_loaded = 0, "
            "bounds = bounds || %s::jsonb WHERE chunk_id = %s", ends, number,
        )  # fmt: skip
    with pytest.raises(LedgerError, match="do not ascend"):
        processor().resume("r", target_conn=tables.target.url, transformation_logic=doubled)
    assert tables.target.fetch("SELECT count(*) FROM d") == [(0,)]


@pytest.mark.parametrize(
    ("lower", "upper"), [("(5,0)", "(2,0)"), ("(2,0)", "(2,0)"), ("(2,1)", "(3,0)")]
)
def test_nor_row_addresses_that_do_not(tables: Databases, lower: str, upper: str) -> None:
    job = job_of(tables, strategy="ROWID_BASED")
    stored = SavedPlan.of(ChunkManager().plan(job)).to_json()
    [chunk] = [c for c in stored["chunks"] if c["chunk_id"] == 0]
    ends = [None, [lower], [upper], None]
    stored["chunks"] = [
        {**chunk, "chunk_id": number, "lower": ends[number], "upper": ends[number + 1]}
        for number in range(3)
    ]
    with pytest.raises(PlanError, match="do not ascend"):
        processor().run(job, plan=SavedPlan.from_json(stored))


def broken(stored: dict[str, Any], how: str) -> Any:
    chunks = stored["chunks"]
    match how:
        case "a chunk less":
            del chunks[2]
        case "a chunk twice":
            chunks.insert(2, chunks[2])
        case "an end that is closed":
            chunks[-1]["upper"] = ["500"]
        case "a gap":
            chunks[1]["upper"] = ["190"]
        case "no chunks":
            chunks.clear()
        case "another kind":
            chunks[1]["kind"] = "rowid_range"
        case "no keys":
            del stored["keys"]
        case "a list":
            return [stored]
    return stored


@pytest.mark.parametrize(
    "how",
    ["a chunk less", "a chunk twice", "an end that is closed", "a gap", "no chunks",
     "another kind", "no keys", "a list"],
)  # fmt: skip
def test_chunks_that_do_not_cover_the_query_once_are_refused(
    tables: Databases, saved: Path, how: str
) -> None:
    stored = json.loads(saved.read_text(encoding="utf-8"))
    saved.write_text(json.dumps(broken(stored, how)), encoding="utf-8")
    with pytest.raises(ConfigurationError):
        processor().run(job_of(tables), plan=saved)
    assert tables.target.fetch("SELECT count(*) FROM d") == [(0,)]


def test_what_is_no_plan_is_refused(tables: Databases, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing", encoding="utf-8")
    for given in (tmp_path / "text", tmp_path / "missing", 7):
        with pytest.raises(ConfigurationError, match="plan"):
            processor().run(job_of(tables), plan=given)  # type: ignore[arg-type]
