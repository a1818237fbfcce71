"""A row that was written down as JSON comes back exactly, or says why it does not."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.ledger.rejects import plain_value
from mapper_dask.repair.stored_values import rows_as
from mapper_dask.schema.facts import Column, TypeFamily

F = TypeFamily


def column(family: TypeFamily, arrow: pa.DataType, type_name: str = "t") -> Column:
    return Column("x", type_name, family, arrow)


INT = column(F.INTEGER, pa.int32())
FLOAT, SMALL = column(F.FLOAT, pa.float64()), column(F.FLOAT, pa.float32())
MONEY, NUMERIC = column(F.DECIMAL, pa.decimal128(12, 2)), column(F.DECIMAL, pa.string())
TEXT, BYTES = column(F.TEXT, pa.string()), column(F.BINARY, pa.binary())
DATE, TIME = column(F.DATE, pa.date32()), column(F.TIME, pa.time64("us"))
STAMP = column(F.TIMESTAMP, pa.timestamp("us"))
ZONED = column(F.TIMESTAMP_TZ, pa.timestamp("us", tz="UTC"))
FINE = column(F.TIMESTAMP, pa.timestamp("ns"))
FLAG, JSON = column(F.BOOLEAN, pa.bool_()), column(F.OTHER, pa.string(), "jsonb")


def written(value: Any) -> Any:
    """Return what the ledger reads of a value that was set aside."""
    text = simplejson.dumps(plain_value(value), ensure_ascii=False)
    return simplejson.loads(text, use_decimal=True)


def back(kind: Column, value: Any, *, loading: bool = False) -> Any:
    table, refused = rows_as([kind], [{"x": written(value)}], loading=loading)
    assert not refused, refused
    return table["x"][0].as_py()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INT, -(2**31)),
        (MONEY, Decimal("12345678.90")),
        (NUMERIC, "1.10"),
        (TEXT, "ä\n\t'\"\\ 🙂"),
        (BYTES, b"\x00\xff"),
        (DATE, dt.date(1, 1, 1)),
        (TIME, dt.time(23, 59, 59, 999999)),
        (STAMP, dt.datetime(2024, 2, 29, 1, 2, 3, 4)),  # noqa: DTZ001
        (STAMP, dt.datetime(2024, 2, 29)),  # noqa: DTZ001
        (ZONED, dt.datetime(2024, 2, 29, 1, 2, 3, 4, dt.UTC)),
        (FINE, pd.Timestamp("2024-02-29 01:02:03.000000001")),
        (FLAG, False),
        (FLOAT, -0.0),
        (FLOAT, 5e-324),
        (FLOAT, math.inf),
        (SMALL, 0.10000000149011612),
        (TEXT, None),
    ],
    ids=str,
)
def test_a_value_comes_back_as_it_was(kind: Column, value: Any) -> None:
    found = back(kind, value)
    assert (found, str(found)) == (value, str(value))


def test_nan_comes_back_as_a_number() -> None:
    assert math.isnan(back(FLOAT, math.nan))


@given(st.floats(allow_nan=False))
def test_every_float_comes_back(value: float) -> None:
    found = back(FLOAT, value)
    assert (found, math.copysign(1, found)) == (value, math.copysign(1, value))


@given(st.datetimes(), st.binary(), st.integers(-(2**31), 2**31 - 1))
def test_every_time_all_bytes_and_every_integer_come_back(
    time: dt.datetime, data: bytes, whole: int
) -> None:
    assert back(STAMP, time) == time
    assert back(BYTES, data) == data
    assert back(INT, whole) == whole


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_a_decimal_that_is_loaded_keeps_its_digits(value: Decimal) -> None:
    assert Decimal(back(MONEY, value, loading=True)) == value


@pytest.mark.parametrize(
    ("kind", "stored", "said"),
    [
        (INT, 10**12, "does not fit"),
        (INT, "5", "not an integer"),
        (INT, Decimal("1.5"), "not an integer"),
        (INT, True, "not an integer"),
        (MONEY, Decimal("1.005"), "does not"),
        (TEXT, 5, "not a text"),
        (TEXT, "a\ufffdb", "U\\+FFFD"),
        (BYTES, "ff", "not bytes"),
        (DATE, "infinity", "does not fit"),
        (STAMP, "2024-01-01 00:00:00.1234567", "does not"),
        (SMALL, Decimal("0.1"), "exactly"),
        (TIME, "01:02:03.1234567", "exactly"),
        (TIME, "24:00:00", "does not fit"),
        (FLAG, "true", "true or false"),
    ],
    ids=str,
)
def test_what_would_not_be_exact_is_refused(kind: Column, stored: Any, said: str) -> None:
    table, refused = rows_as([kind], [{"x": stored}, {"x": None}], loading=False)
    assert table.num_rows == 1
    assert list(refused) == [0]
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(refused[0])


def test_json_goes_to_the_target_as_json() -> None:
    assert back(JSON, {"a": [1, 1.5, None]}, loading=True) == '{"a": [1, 1.5, null]}'
