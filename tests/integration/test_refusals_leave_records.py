"""What is refused leaves the record of what was done as it is: flows, their jobs, single runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental, MapperJob, ParallelProcessor
from mapper_dask.errors import MapperError
from mapper_dask.flow import JobState
from tests.builders import job_of, make_shop
from tests.database import Databases

ROWS = 300


@pytest.fixture
def shop(databases: Databases) -> Databases:
    make_shop(databases, ROWS, "'x' AS v")
    for table in ("a", "b", "other"):
        databases.target.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v text)")
    return databases


def moved(shop: Databases, table: str, **options: Any) -> MapperJob:
    return job_of(shop, **{"target_table": table, "chunk_size": 100, **options})


def flow(shop: Databases, **options: Any) -> Flow:
    incremental = options.pop("incremental", None)
    first = FlowJob(name="a", job=moved(shop, **{"table": "a", **options}), incremental=incremental)
    second = FlowJob(name="b", job=moved(shop, "b"), depends_on=("a",))
    return Flow(name="good", run_id="g1", jobs=(first, second))


def record(shop: Databases) -> dict[str, list[tuple[Any, ...]]]:
    tables = {
        "mapper_dask_flow": "flow_run_id", "mapper_dask_flow_job": "flow_run_id, job",
        "mapper_dask_run": "run_id", "mapper_dask_chunk": "run_id, chunk_id", "a": "id", "b": "id",
    }  # fmt: skip
    return {
        name: shop.target.fetch(f"SELECT * FROM {name} ORDER BY {order}")
        for name, order in tables.items()
        if shop.target.fetch("SELECT to_regclass(%s) IS NOT NULL", name) == [(True,)]
    }


def named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


REFUSED: dict[str, Callable[[Databases], dict[str, Any]]] = {
    "another query": lambda _: {"source_sql": "SELECT id, v FROM s WHERE id > 7"},
    "another table": lambda _: {"table": "other"},
    "a table that is not there": lambda _: {"table": "nowhere"},
    "another disposition": lambda _: {"write_disposition": "replace"},
    "another key": lambda _: {"key_column": "v"},
    "another chunk size": lambda _: {"chunk_size": 10},
    "a function": lambda _: {"transformation_logic": named},
    "another source": lambda shop: {"source_conn": shop.target.url},
    "no source": lambda shop: {"source_conn": shop.source.url + "_not_there"},
    "a query that fails": lambda _: {"source_sql": "SELECT nothing FROM s"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_finished_flow_stays_finished(shop: Databases, why: str) -> None:
    engine = ExecutionEngine(1, progress=False)
    engine.run(flow(shop)).raise_for_status()
    before = record(shop)

    result = engine.run(flow(shop, **REFUSED[why](shop)))

    assert [job.state for job in result.jobs] == [JobState.FAILED, JobState.SKIPPED]
    assert record(shop) == before
    known = engine.status("g1", ledger_conn=shop.target.url)
    assert [(job.state, job.rows) for job in known.jobs] == [(JobState.SUCCEEDED, ROWS)] * 2


@pytest.mark.parametrize("why", REFUSED)
def test_a_finished_run_stays_finished(shop: Databases, why: str) -> None:
    processor = ParallelProcessor(enable_parallel=False)
    processor.run(moved(shop, "a", run_id="r")).raise_for_status()
    before = record(shop)

    options = {"table": "a", **REFUSED[why](shop)}
    with pytest.raises(MapperError):
        processor.run(moved(shop, run_id="r", **options))

    assert record(shop) == before


@pytest.mark.parametrize("why", ["another query", "another disposition", "another table"])
def test_an_unfinished_flow_is_told_as_it_was(shop: Databases, why: str) -> None:
    shop.target.execute("INSERT INTO a VALUES (150, 'in the way')")
    engine = ExecutionEngine(1, progress=False)
    engine.run(flow(shop))
    before = engine.status("g1", ledger_conn=shop.target.url)
    assert "a_pkey" in str(before.jobs[0].error)

    result = engine.run(flow(shop, **REFUSED[why](shop)))

    assert "belongs to another job" in str(result.jobs[0].error)
    known = engine.status("g1", ledger_conn=shop.target.url)
    assert [(j.state, j.error, j.rows) for j in known.jobs] == [
        (j.state, j.error, j.rows) for j in before.jobs
    ]
    shop.target.execute("DELETE FROM a WHERE v = 'in the way'")
    engine.run(flow(shop)).raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM a") == [(ROWS,)]


def test_the_watermark_of_a_finished_flow_stays(shop: Databases) -> None:
    engine, growing = ExecutionEngine(1, progress=False), Incremental(column="id")
    engine.run(flow(shop, incremental=growing)).raise_for_status()
    before = record(shop)

    refused = flow(shop, incremental=growing, source_sql="SELECT id, v FROM s WHERE id > 7")
    assert not engine.run(refused).succeeded
    assert record(shop) == before

    shop.source.execute("INSERT INTO s VALUES (301, 'new')")
    shop.target.execute("TRUNCATE b")  # which is read whole each time
    engine.run(flow(shop, incremental=growing).evolve(run_id="g2")).raise_for_status()
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM a") == [(ROWS + 1,) * 2]


def test_what_was_done_is_told_so_when_a_finished_flow_is_run_again(shop: Databases) -> None:
    engine = ExecutionEngine(1, progress=False)
    engine.run(flow(shop)).raise_for_status()
    before = record(shop)

    engine.run(flow(shop)).raise_for_status()

    assert record(shop) == before
