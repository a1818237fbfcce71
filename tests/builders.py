"""The table that most tests move, and the job that moves it."""

from __future__ import annotations

from typing import Any

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor
from tests.database import Databases


def make_shop(databases: Databases, rows: int, columns: str = "", *, target: str = "") -> Databases:
    """Create ``s`` with a primary key ``id`` and columns computed from ``g``; and the target."""
    values = f"g AS id, {columns}" if columns else "g AS id"
    databases.source.execute(f"CREATE TABLE s AS SELECT {values} FROM generate_series(1, {rows}) g")
    databases.source.execute("ALTER TABLE s ADD PRIMARY KEY (id)")
    if target:
        databases.target.execute(f"CREATE TABLE {target}")
    return databases


def job_of(databases: Databases, **options: Any) -> MapperJob:
    """Return a job that moves ``s`` to ``d``, or what the options say."""
    usual = {
        "source_conn": databases.source.url, "source_sql": "SELECT * FROM s",
        "target_conn": databases.target.url, "target_table": "d",
    }  # fmt: skip
    return MapperJob(**{**usual, **options})


def move(databases: Databases, **options: Any) -> ParallelProcessingResult:
    """Run that job in this process."""
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    return processor.run(job_of(databases, **options))
