"""One day of flights, moved once however often it is asked for: what an orchestrator calls."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor

SQL = """
SELECT id, time_hour, carrier, distance, air_time FROM flights
WHERE time_hour >= :begin AND time_hour < :end
"""


def with_speed(flights: pd.DataFrame) -> pd.DataFrame:
    """Add miles an hour."""
    return flights.assign(speed=flights.distance / flights.air_time * 60)


def job_of(day: dt.date) -> MapperJob:
    """Return the job of a day; its run_id is made of the day alone, so every attempt is one run."""
    begin = dt.datetime.combine(day, dt.time(), dt.UTC)
    return MapperJob(
        source_conn="env:SOURCE",
        source_sql=SQL,
        params={"begin": begin, "end": begin + dt.timedelta(days=1)},
        transformation_logic=with_speed,
        target_conn="env:TARGET",
        target_schema="mart",
        target_table="flights_daily",
        run_id=f"flights-{day:%Y-%m-%d}",
    )


def move(day: dt.date) -> dict[str, Any]:
    """Move a day; raise RunFailedError where it fails, which fails the orchestrator's task."""
    return counts(ParallelProcessor(progress=False).run(job_of(day)))


async def move_meanwhile(day: dt.date) -> dict[str, Any]:
    """Do the same in a coroutine, whose event loop goes on."""
    return counts(await ParallelProcessor(progress=False).start(job_of(day)))


def counts(result: ParallelProcessingResult) -> dict[str, Any]:
    """Return what an orchestrator shows of a run: plain numbers, which any of them can store."""
    return {
        "run_id": result.run_id,
        "rows": result.total_rows_successful,
        "rejected": result.total_rows_rejected,
    }
