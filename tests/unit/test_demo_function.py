"""What the demo's pandas function makes of flights, on the frames a chunk brings."""

from __future__ import annotations

import pandas as pd
import pytest

from mapper_dask.demo import clean_flights

ARROW = {
    "id": "int64[pyarrow]",
    "carrier": "string[pyarrow]",
    "flight": "int32[pyarrow]",
    "tailnum": "string[pyarrow]",
    "origin": "string[pyarrow]",
    "dest": "string[pyarrow]",
    "distance": "int32[pyarrow]",
    "minute": "int32[pyarrow]",
    "dep_time": "int32[pyarrow]",
    "dep_delay": "int32[pyarrow]",
    "air_time": "int32[pyarrow]",
    "time_hour": "timestamp[us, tz=UTC][pyarrow]",
}
NULLABLE = {
    name: {"int64": "Int64", "int32": "Int32", "string": "string"}.get(
        dtype.removesuffix("[pyarrow]"), "datetime64[us, UTC]"
    )
    for name, dtype in ARROW.items()
}
FLIGHT = {
    "id": 1,
    "carrier": "UA",
    "flight": 1545,
    "tailnum": "N14228",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400,
    "minute": 15,
    "dep_time": 517,
    "dep_delay": 2,
    "air_time": 210,
    "time_hour": pd.Timestamp("2013-01-01T10:00Z"),
}
CANCELLED = {
    **FLIGHT,
    "id": 2,
    "tailnum": None,
    "dep_time": None,
    "dep_delay": None,
    "air_time": None,
}


@pytest.fixture(params=[ARROW, NULLABLE], ids=["pyarrow", "numpy_nullable"])
def frame(request: pytest.FixtureRequest):
    """Return a function that makes a frame of flights with the given changes."""

    def make(*flights: dict[str, object]) -> pd.DataFrame:
        columns = {name: [flight[name] for flight in flights] for name in ARROW}
        return pd.DataFrame(
            {name: pd.Series(values, dtype=request.param[name]) for name, values in columns.items()}
        )

    return make


def test_departure_is_scheduled_plus_delay_in_local_time(frame):
    (row,) = clean_flights(frame(FLIGHT)).to_dict("records")

    assert row["scheduled_at"] == pd.Timestamp("2013-01-01T10:15Z")
    assert row["departed_at"] == pd.Timestamp("2013-01-01T10:17Z")
    assert row["departed_local"] == pd.Timestamp("2013-01-01T05:17")


def test_departure_after_midnight_is_the_next_day(frame):
    late = {
        **FLIGHT,
        "time_hour": pd.Timestamp("2013-01-02T04:00Z"),
        "minute": 50,
        "dep_time": 30,
        "dep_delay": 40,
    }

    (departed,) = clean_flights(frame(late))["departed_local"]

    assert departed == pd.Timestamp("2013-01-02T00:30")


def test_local_time_follows_daylight_saving(frame):
    summer = {**FLIGHT, "time_hour": pd.Timestamp("2013-07-01T10:00Z")}

    (departed,) = clean_flights(frame(summer))["departed_local"]

    assert departed == pd.Timestamp("2013-07-01T06:17")


def test_speed_is_in_miles_an_hour(frame):
    (speed,) = clean_flights(frame(FLIGHT))["speed_mph"]

    assert speed == pytest.approx(400.0)


@pytest.mark.parametrize(
    ("minutes", "category"),
    [
        (-30, "early"),
        (-1, "early"),
        (0, "on time"),
        (14, "on time"),
        (15, "late"),
        (59, "late"),
        (60, "very late"),
        (1301, "very late"),
        (None, "cancelled"),
    ],
)
def test_delay_category_at_its_edges(frame, minutes, category):
    assert list(clean_flights(frame({**FLIGHT, "dep_delay": minutes}))["delay"]) == [category]


def test_cancelled_flight_is_kept_with_gaps(frame):
    cleaned = clean_flights(frame(FLIGHT, CANCELLED))

    assert list(cleaned["cancelled"]) == [False, True]
    gaps = cleaned.iloc[1].isna()
    assert set(gaps[gaps].index) == {"tailnum", "departed_at", "departed_local", "speed_mph"}


def test_columns_and_dtypes_are_the_same_for_any_rows(frame):
    full, gaps, none = frame(FLIGHT), frame(CANCELLED), frame(FLIGHT).iloc[:0]

    dtypes = [clean_flights(flights).dtypes.to_dict() for flights in (full, gaps, none)]

    assert dtypes[0] == dtypes[1] == dtypes[2]


def test_input_is_not_changed(frame):
    flights = frame(FLIGHT, CANCELLED)
    before = flights.copy()

    clean_flights(flights)

    pd.testing.assert_frame_equal(flights, before)
