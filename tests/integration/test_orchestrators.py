"""The examples for Airflow, Prefect and Dagster: plain functions, called twice for the same date.

None of the three is needed: what they would call is called as it stands. Their own layers, a few
decorators, run with stand-ins that keep what they decorate.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib.util
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import pytest

from mapper_dask.errors import RunFailedError
from tests.database import Database, Databases
from tests.docs import blocks
from tests.scripts import ROOT

EXAMPLES = ROOT / "docs" / "examples"
PAGE = ROOT / "docs" / "orchestrators.md"

DAY, NEXT = dt.date(2013, 1, 1), dt.date(2013, 1, 2)
A_DAY = 96
"""Flights of a day: one each quarter of an hour."""

SOURCE = """
CREATE TABLE flights AS
SELECT g AS id, timestamptz '2013-01-01 00:00+00' + (g - 1) * interval '15 minutes' AS time_hour,
    'AA' AS carrier, 100 + g AS distance, 60 AS air_time FROM generate_series(1, 288) g;
ALTER TABLE flights ADD PRIMARY KEY (id)
"""
TARGET = """
CREATE SCHEMA mart;
CREATE TABLE mart.flights_daily (id int8 PRIMARY KEY, time_hour timestamptz, carrier text,
    distance int, air_time int, speed float8)
"""


@pytest.fixture
def target(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The target of the examples, which find their databases and each other as a user's would."""
    databases.source.execute(SOURCE)
    databases.target.execute(TARGET)
    monkeypatch.setenv("SOURCE", databases.source.url)
    monkeypatch.setenv("TARGET", databases.target.url)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield databases.target
    sys.modules.pop("daily_flights", None)


def example(name: str) -> Any:
    """Return an example, imported anew."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_airflow(day: dt.date) -> dict[str, Any]:
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return dict(example("airflow_flights").load_day(midnight))


def by_prefect(day: dt.date) -> dict[str, Any]:
    return dict(asyncio.run(example("prefect_flights").load_day(day)))


def by_dagster(day: dt.date) -> dict[str, Any]:
    return dict(example("dagster_flights").load_day(day.isoformat()))


WAYS = [by_airflow, by_prefect, by_dagster]
Way = Callable[[dt.date], dict[str, Any]]


def loaded(target: Database) -> list[tuple[Any, ...]]:
    """Return how many rows each day has in the target, and how many keys."""
    return target.fetch(
        "SELECT (time_hour AT TIME ZONE 'UTC')::date, count(*), count(DISTINCT id), min(speed) > 0 "
        "FROM mart.flights_daily GROUP BY 1 ORDER BY 1"
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_same_date_twice_doubles_no_row(target: Database, way: Way) -> None:
    first, again = way(DAY), way(DAY)

    assert first == again == {"run_id": "flights-2013-01-01", "rows": A_DAY, "rejected": 0}
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]
    assert way(NEXT)["rows"] == A_DAY
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True), (NEXT, A_DAY, A_DAY, True)]


def test_all_of_them_share_one_run(target: Database) -> None:
    assert len({str(way(DAY)) for way in WAYS}) == 1
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_is_raised_and_the_next_attempt_goes_on(
    target: Database, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """Some chunks are committed when it fails; the attempt after it does the others only."""
    import daily_flights

    asked: list[int] = []
    plain_job, plain = daily_flights.job_of, daily_flights.with_speed

    def with_speed(flights: pd.DataFrame) -> pd.DataFrame:
        asked.append(len(flights))
        if broken and (flights.id > 40).any():
            message = "no speed today"
            raise ValueError(message)
        return plain(flights)

    def job_of(day: dt.date) -> Any:
        return plain_job(day).evolve(chunk_size=20, transformation_logic=with_speed)

    monkeypatch.setattr(daily_flights, "job_of", job_of)
    broken = True
    with dask.config.set({"mapper-dask.parallel": False, "mapper-dask.on-failure": "raise"}):
        with pytest.raises(RunFailedError, match="no speed today") as caught:
            way(DAY)
        assert isinstance(caught.value.__cause__, ValueError)
        [(_, committed, _, _)] = loaded(target)
        assert 0 < committed < A_DAY
        broken, before = False, len(asked)
        assert way(DAY)["rows"] == A_DAY
    _, *chunks = asked[before:]  # the first is a sample, which shows the function's columns
    assert sum(chunks) == A_DAY - committed
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]


# -- the command line ------------------------------------------------------------------------------


def test_a_shell_operator_sees_it_by_the_exit_code(
    target: Database, databases: Databases, tmp_path: Path
) -> None:
    [file] = [b for b in blocks(PAGE) if b.file == "daily.yaml"]
    (tmp_path / "daily.yaml").write_text(file.code, encoding="utf-8")
    databases.target.execute("ALTER TABLE mart.flights_daily RENAME TO away")

    def run(day: dt.date) -> int:
        command = [
            sys.executable, "-m", "mapper_dask.cli", "run", "daily.yaml", "--quiet", "--run-id",
            f"daily-{day}",
        ]  # fmt: skip
        return subprocess.run(
            command, cwd=tmp_path, check=False, capture_output=True,
            env={**os.environ, "DAY": day.isoformat(), "PGTZ": "UTC"},
        ).returncode  # fmt: skip

    assert run(DAY) == 2, "its table is not there: nothing is moved"
    databases.target.execute("ALTER TABLE mart.away RENAME TO flights_daily")
    assert (run(DAY), run(DAY)) == (0, 0)
    assert [row[:3] for row in loaded(target)] == [(DAY, A_DAY, A_DAY)]


# -- the frameworks' own layers --------------------------------------------------------------------


class Decorated:
    """What a stand-in's decorator leaves of a function: the function, and what it was told."""

    made: list[Decorated]

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function, self.options = function, options
        self.__name__ = function.__name__
        Decorated.made.append(self)

    def __call__(self, *given: Any) -> Any:
        return self.function(*given)

    def serve(self, **options: Any) -> None:
        self.options |= options


def decorator(*functions: Callable[..., Any], **options: Any) -> Any:
    """Stand for ``@task`` and ``@task(retries=3)``."""
    if functions:
        return Decorated(functions[0], options)
    return lambda function: Decorated(function, options)


def value(**given: Any) -> Any:
    return types.SimpleNamespace(**given)


STAND_INS: dict[str, dict[str, Any]] = {
    "airflow": {"sdk": value(dag=decorator, task=decorator)},
    "airflow.sdk": {"dag": decorator, "task": decorator},
    "prefect": {"flow": decorator, "task": decorator},
    "prefect.runtime": {
        "flow_run": value(scheduled_start_time=dt.datetime(2013, 1, 2, 3, tzinfo=dt.UTC))
    },
    "dagster": {
        "asset": decorator, "AssetExecutionContext": object, "MaterializeResult": value,
        "DailyPartitionsDefinition": value, "RetryPolicy": value,
    },
}  # fmt: skip


@pytest.fixture
def decorated(monkeypatch: pytest.MonkeyPatch) -> list[Decorated]:
    """What the examples give to stand-ins of the three."""
    for name, parts in STAND_INS.items():
        module = types.ModuleType(name)
        module.__dict__.update(parts)
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        monkeypatch.setitem(sys.modules, name, module)
    Decorated.made = []
    return Decorated.made


def named(found: list[Decorated], name: str) -> Decorated:
    return next(one for one in found if one.__name__ == name)


def test_airflow_is_given_a_dag_whose_task_moves_its_date(
    target: Database, decorated: list[Decorated]
) -> None:
    with pytest.raises(AssertionError):  # the DAG is made, and its task called: here at once
        example("airflow_flights")
    load = named(decorated, "load")
    assert named(decorated, "flights").options["schedule"] == "@daily"
    assert load.options["retries"] == 3
    assert load(dt.datetime(2013, 1, 1, tzinfo=dt.UTC))["rows"] == A_DAY
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]


def test_prefect_is_given_a_flow_that_moves_the_day_before(
    target: Database, decorated: list[Decorated]
) -> None:
    flow = example("prefect_flights").flights
    assert named(decorated, "load_day").options["retries"] == 3
    assert asyncio.run(flow()) == asyncio.run(flow(DAY))
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]


def test_dagster_is_given_an_asset_that_moves_its_partition(
    target: Database, decorated: list[Decorated]
) -> None:
    made = example("dagster_flights").flights_daily
    assert decorated == [made]
    result = made(value(partition_key="2013-01-01"))
    assert result.metadata == {"run_id": "flights-2013-01-01", "rows": A_DAY, "rejected": 0}
    assert loaded(target) == [(DAY, A_DAY, A_DAY, True)]


# -- the page --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_page_shows_each_example_as_it_is(path: Path) -> None:
    found = [b.code for b in blocks(PAGE) if b.file == path.name]
    assert found == [f"# {path.name}\n{path.read_text(encoding='utf-8')}"]


def test_a_run_id_is_made_of_the_date_alone() -> None:
    text = (EXAMPLES / "daily_flights.py").read_text(encoding="utf-8")
    assert re.findall(r"run_id=(.*),\n", text) == ['f"flights-{day:%Y-%m-%d}"']
