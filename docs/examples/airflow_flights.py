"""Airflow: a file for its folder of DAGs, with daily_flights.py beside it."""

from __future__ import annotations

import datetime as dt
from importlib.util import find_spec
from typing import Any

import daily_flights


def load_day(logical_date: dt.datetime) -> dict[str, Any]:
    """Move the day of a DAG run; each of its attempts goes on where the last one stopped."""
    return daily_flights.move(logical_date.date())


if find_spec("airflow"):
    from airflow.sdk import dag, task  # Airflow 2: from airflow.decorators

    @dag(schedule="@daily", start_date=dt.datetime(2013, 1, 1, tzinfo=dt.UTC), catchup=True)
    def flights() -> None:
        """Flights, a day a run."""

        @task(retries=3, retry_delay=dt.timedelta(minutes=5))
        def load(logical_date: dt.datetime | None = None) -> dict[str, Any]:
            assert logical_date is not None  # noqa: S101 - Airflow fills it in
            return load_day(logical_date)

        load()

    flights()
