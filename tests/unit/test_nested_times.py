"""Times inside lists and dicts: as fine as they are, or refused, never cut in silence."""

# ruff: noqa: DTZ001 - timestamps without a zone are the values here

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask.chunk.encode import encode_frame
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import EncodeError
from mapper_dask.ledger.rejects import plain_value
from mapper_dask.schema.facts import TargetTable

STAMP = "2020-01-01 00:00:00.123456789"
NANO = pd.Timestamp(STAMP)
NUMPY = np.datetime64(STAMP.replace(" ", "T"))
ZONED = "timestamp with time zone[]"
PLAIN = "timestamp without time zone[]"
CLOCK = "time without time zone[]"


def encoded(series: pd.Series, type_name: str) -> list:
    target = column("c", type_name, type_name, "A", native=True)
    frame = pd.DataFrame({"c": series})
    return encode_frame(frame, TargetTable("s", "t", '"s"."t"', (target,))).rows["c"].to_pylist()


def objects(*values: object) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def arrow(values: list, kind: pa.DataType) -> pd.Series:
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


def ns(number: int, leaf: pa.DataType, depth: int) -> pd.Series:
    """Return a list, nested so deep, of one time in nanoseconds."""
    array = pa.array([number], pa.int64()).cast(leaf)
    for _ in range(depth):
        array = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), array)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))


CUT = {
    "Timestamp": (objects([NANO]), PLAIN),
    "Timestamp, deep": (objects([[[NANO]]]), PLAIN),
    "Timestamp with a zone": (objects([NANO.tz_localize("UTC")]), ZONED),
    "datetime64": (objects([NUMPY]), PLAIN),
    "array of datetime64": (objects(np.array([NUMPY])), PLAIN),
    "array of arrays": (objects(np.array([[NUMPY], [NUMPY]])), PLAIN),
    "picoseconds": (objects([np.datetime64("2020-01-01T00:00:00.000000000001")]), PLAIN),
    "tuple in a list": (objects([(NANO,)]), PLAIN),
    "DatetimeIndex": (objects(pd.DatetimeIndex([NANO])), PLAIN),
    "Timedelta": (objects([pd.Timedelta(1, "ns")]), "interval[]"),
    "timedelta64": (objects([np.timedelta64(1, "ns")]), "interval[]"),
    "a time of day": (objects([dt.datetime(2020, 1, 1, 10)]), "date[]"),
    "a time of day of NumPy's": (objects([[np.datetime64("2020-01-01T10:00")]]), "date[]"),
    "a date": (objects([dt.datetime(2020, 1, 1, 10)]), CLOCK),
    "a zone": (objects([dt.datetime(2020, 1, 1, 10, tzinfo=dt.UTC)]), PLAIN),
    **{
        f"Arrow {leaf}, {depth} deep": (ns(1_123_456_789, leaf, depth), kind)
        for leaf, kind in (
            (pa.timestamp("ns"), PLAIN),
            (pa.timestamp("ns", "UTC"), ZONED),
            (pa.time64("ns"), CLOCK),
            (pa.time64("ns"), "json"),
            (pa.duration("ns"), "interval[]"),
        )
        for depth in (1, 2, 3)
    },
}


@pytest.mark.parametrize("case", CUT)
def test_what_a_database_would_cut_is_refused_by_name(case):
    series, type_name = CUT[case]
    with pytest.raises(EncodeError, match=r"'c': .*(finer than microseconds|would be lost)"):
        encoded(series, type_name)


def test_times_deep_in_a_struct_are_found():
    kind = pa.struct([("a", pa.list_(pa.struct([("t", pa.time64("ns"))])))])
    array = pa.array([{"a": [{"t": 1_000}]}, {"a": [{"t": 1_001}]}], pa.struct(
        [("a", pa.list_(pa.struct([("t", pa.int64())])))]
    )).cast(kind)  # fmt: skip
    with pytest.raises(EncodeError, match="finer than microseconds"):
        encoded(pd.Series(pd.arrays.ArrowExtensionArray(array)), "jsonb")


WHOLE = pd.Timestamp("2020-01-01 00:00:00.123456")
KEPT = {
    "Timestamp": (objects([[WHOLE, pd.NaT]]), PLAIN, '{{"2020-01-01 00:00:00.123456",NULL}}'),
    "datetime64": (
        objects([np.datetime64(WHOLE, "ns"), np.datetime64("NaT", "ns")]),
        PLAIN,
        '{"2020-01-01T00:00:00.123456",NULL}',
    ),
    "timedelta64": (objects([np.timedelta64(2000, "ns")]), "interval[]", '{"2 microseconds"}'),
    "days": (objects([dt.datetime(2020, 1, 1)]), "date[]", '{"2020-01-01 00:00:00"}'),
    "Arrow": (ns(1_123_456_000, pa.timestamp("ns"), 2), PLAIN,
              '{{"1970-01-01 00:00:01.123456"}}'),
    "Arrow time": (ns(1_123_456_000, pa.time64("ns"), 2), CLOCK, '{{"00:00:01.123456"}}'),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_what_is_whole_arrives(case):
    series, type_name, text = KEPT[case]
    assert encoded(series, type_name) == [text]


@pytest.mark.parametrize("value", [NANO, NUMPY])
@pytest.mark.parametrize(
    "nest",
    [lambda v: [v], lambda v: {"a": [v]}, lambda v: {"a": pd.DatetimeIndex([v]).to_numpy()}],
)
def test_a_json_holds_every_digit(value, nest):
    [text] = encoded(objects(nest(value)), "jsonb")
    assert ".123456789" in text
    json.loads(text)


def test_a_json_holds_a_missing_time_as_null():
    [text] = encoded(objects([pd.NaT, pd.NA, np.datetime64("NaT", "ns")]), "json")
    assert json.loads(text) == [None, None, None]


def test_a_row_set_aside_shows_its_times_as_such():
    assert plain_value(NUMPY) == STAMP.replace(" ", "T")
    assert plain_value(np.array([NUMPY])) == [STAMP.replace(" ", "T")]
