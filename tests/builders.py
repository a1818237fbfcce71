"""The table that most tests move, and the jobs that move it or another."""

from __future__ import annotations

from typing import Any, Protocol

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor
from tests.database import Databases


class HasUrl(Protocol):
    """A database, or a side of the contract's."""

    @property
    def url(self) -> str: ...


def make_shop(databases: Databases, rows: int, columns: str = "", *, target: str = "") -> Databases:
    """Create ``s`` with a primary key ``id`` and columns computed from ``g``; and the target."""
    values = f"g AS id, {columns}" if columns else "g AS id"
    databases.source.execute(f"CREATE TABLE s AS SELECT {values} FROM generate_series(1, {rows}) g")
    databases.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    if target:
        databases.target.execute(f"CREATE TABLE {target}")
    return databases


def job_between(source: HasUrl, there: str, target: HasUrl, here: str, **options: Any) -> MapperJob:
    """Return a job that moves all of a table to another, or what the options say."""
    usual = {
        "source_conn": source.url, "source_sql": f"SELECT * FROM {there}",
        "target_conn": target.url, "target_table": here,
    }  # fmt: skip
    return MapperJob(**{**usual, **options})


def job_of(databases: Databases, **options: Any) -> MapperJob:
    """Return a job that moves ``s`` to ``d``, or what the options say."""
    return job_between(databases.source, "s", databases.target, "d", **options)


def run_here(job: MapperJob) -> ParallelProcessingResult:
    """Run a job in this process."""
    return ParallelProcessor(enable_parallel=False, progress=False).run(job)


def move(databases: Databases, **options: Any) -> ParallelProcessingResult:
    """Run a job that moves ``s`` to ``d``, or what the options say, in this process."""
    return run_here(job_of(databases, **options))
