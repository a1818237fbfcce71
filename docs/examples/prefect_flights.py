"""Prefect: python prefect_flights.py serves it, with daily_flights.py beside it."""

from __future__ import annotations

import datetime as dt
from importlib.util import find_spec
from typing import Any

import daily_flights


async def load_day(day: dt.date) -> dict[str, Any]:
    """Move a day in Prefect's event loop, which goes on meanwhile."""
    return await daily_flights.move_meanwhile(day)


if find_spec("prefect"):
    from prefect import flow, task

    load = task(retries=3, retry_delay_seconds=300)(load_day)

    @flow
    async def flights(day: dt.date | None = None) -> dict[str, Any]:
        """Flights of a day; without one, of the day before the flow's scheduled time."""
        from prefect.runtime import flow_run

        return await load(day or flow_run.scheduled_start_time.date() - dt.timedelta(days=1))

    if __name__ == "__main__":
        flights.serve(name="daily", cron="0 3 * * *")
