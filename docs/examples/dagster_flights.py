"""Dagster: dagster dev -f dagster_flights.py, with daily_flights.py beside it."""

import datetime as dt
from importlib.util import find_spec
from typing import Any

import daily_flights


def load_day(partition: str) -> dict[str, Any]:
    """Move the day that a partition is called by."""
    return daily_flights.move(dt.date.fromisoformat(partition))


if find_spec("dagster"):
    from dagster import (
        AssetExecutionContext,
        DailyPartitionsDefinition,
        MaterializeResult,
        RetryPolicy,
        asset,
    )

    @asset(
        partitions_def=DailyPartitionsDefinition(start_date="2013-01-01"),
        retry_policy=RetryPolicy(max_retries=3, delay=300),
    )
    def flights_daily(context: AssetExecutionContext) -> MaterializeResult:
        """Flights, a day a partition."""
        return MaterializeResult(metadata=load_day(context.partition_key))
