"""Flows of small jobs over tables that are staged for them."""

from __future__ import annotations

from typing import Any

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    FlowResult,
)
from tests.builders import job_of
from tests.database import Database, Databases

ROWS = 900
CHUNK_SIZE = 300
TABLES = ("a", "b", "c", "d", "e")


def job(databases: Databases, table: str, *after: str, **options: Any) -> FlowJob:
    of_flow = {"incremental", "max_workers", "parallel", "retries", "lock_timeout"}
    of_job = {name: value for name, value in options.items() if name not in of_flow}
    moved = job_of(databases, **{"target_table": table, "chunk_size": CHUNK_SIZE, **of_job})
    own = {name: value for name, value in options.items() if name in of_flow}
    return FlowJob(name=table, job=moved, depends_on=after, **own)


def flow(*jobs: FlowJob, **options: Any) -> Flow:
    return Flow(name=options.pop("name", "nightly"), jobs=jobs, **options)


def engine(workers: int = 1, **options: Any) -> ExecutionEngine:
    return ExecutionEngine(workers, progress=False, **options)


def states(result: FlowResult) -> dict[str, str]:
    return {made.name: made.state.value for made in result.jobs}


def count(database: Database, table: str) -> int:
    [(rows,)] = database.fetch(f"SELECT count(*) FROM {table}")
    return rows


def resume(databases: Databases, made: Flow, run_id: str) -> FlowResult:
    return engine().resume(run_id, ledger_conn=databases.target.url, flow=made)
