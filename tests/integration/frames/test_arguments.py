"""What each argument of ``read_sql_query`` does."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

import dask
import pandas as pd
import pytest

from mapper_dask import read_sql_query
from tests.database import Database
from tests.integration.frames.readings import ALL, ROWS, SIZE, sizes, values


def test_index_col_is_the_index_and_what_is_cut_by(source: Database) -> None:
    """Divisions are not known to Dask, since NULL has no place among them."""
    frame = read_sql_query(ALL, source.url, "k", chunk_size=SIZE)
    assert frame.index.name == "k"
    assert list(frame.columns) == ["id", "name", "price"]
    assert not frame.known_divisions
    computed = [part.index.dropna() for part in dask.compute(*frame.to_delayed())]
    ranges = [index for index in computed if len(index)]
    assert all(a.max() < b.min() for a, b in pairwise(ranges))


def test_without_index_col_the_key_is_detected_and_stays_a_column(source: Database) -> None:
    """The key may be left out of what is read, too."""
    frame = read_sql_query(ALL, source.url, chunk_size=SIZE)
    assert frame.index.name is None
    assert list(frame.columns) == ["id", "k", "name", "price"]
    names = read_sql_query(ALL, source.url, chunk_size=SIZE, columns=["name"])
    assert sorted(values(names, "name")) == sorted(f"n{i}" for i in range(1, ROWS + 1))
    assert names.npartitions == frame.npartitions == ROWS // SIZE


def test_columns_are_read_in_the_order_they_are_named(source: Database) -> None:
    """An index without columns is a frame, too."""
    frame = read_sql_query(ALL, source.url, "id", columns=["price", "id", "k"])
    assert list(frame.columns) == list(frame.compute().columns) == ["price", "k"]
    assert read_sql_query(ALL, source.url, "id", columns=["id"]).compute().shape == (ROWS, 0)


@pytest.mark.parametrize("wanted", [1, 2, 4, 10, 50])
def test_npartitions_are_what_is_wanted_beside_the_one_of_null_keys(
    source: Database, wanted: int
) -> None:
    """A key that can be NULL has one more; fewer are made where the keys are few."""
    frame = read_sql_query(ALL, source.url, "id", npartitions=wanted)
    assert sizes(frame) == [ROWS // wanted] * wanted
    by_k = read_sql_query(ALL, source.url, "k", npartitions=wanted)
    assert 2 <= by_k.npartitions <= wanted + 1
    assert len(by_k) == ROWS
    few = read_sql_query(ALL + " WHERE id <= 10", source.url, "id", npartitions=10 * wanted)
    assert few.npartitions == 10


def test_chunk_size_gives_the_partitions_where_npartitions_does_not(source: Database) -> None:
    """By default a partition has 50,000 rows."""
    assert sizes(read_sql_query(ALL, source.url, "id", chunk_size=300)) == [300, 300, 300, 100]
    assert read_sql_query(ALL, source.url, "id").npartitions == 1


def test_divisions_are_inner_bounds_and_leave_no_row_out(source: Database) -> None:
    """A bound begins its partition; the first and the last are open, NULL comes after them."""
    frame = read_sql_query(ALL, source.url, "id", divisions=[400, 500])
    assert sizes(frame) == [399, 100, 501, 0]
    assert min(values(frame.partitions[1], "id")) == 400
    assert sizes(read_sql_query(ALL, source.url, "id", divisions=[5_000, 6_000])) == [ROWS, 0, 0, 0]
    assert len(read_sql_query(ALL, source.url, "k", divisions=[])) == ROWS
    assert sizes(read_sql_query(ALL, source.url, divisions=(400,), npartitions=9)) == [399, 601, 0]


@pytest.mark.parametrize(
    "divisions", [[15, 5], [9, 10, 1], [7, 7], pd.Index([30, 4, 100])], ids=str
)
def test_divisions_in_any_order_read_every_row_once(source: Database, divisions: Any) -> None:
    """Taken as they come, ranges between them would overlap."""
    frame = read_sql_query(ALL, source.url, "id", divisions=divisions)
    assert values(frame, "id") == list(range(1, ROWS + 1))
    assert frame.npartitions == len(divisions) + 2


def test_divisions_are_in_the_databases_order(source: Database) -> None:
    """Sorted as texts, or in Python, these would overlap."""
    by_size = read_sql_query(
        "SELECT * FROM sizes", source.url, "size", divisions=["large", "medium"]
    )
    assert [set(values(part, "size")) for part in by_size.partitions] == [
        {"small"},
        {"medium"},
        {"large"},
        {None},
    ]
    assert sizes(
        read_sql_query(ALL, source.url, "price", divisions=[Decimal(100), Decimal("9.5")])
    ) == [75, 724, 201, 0]
    sql = (
        "SELECT timestamptz '2024-01-01+00' + i * interval '1 day' AS at "
        "FROM generate_series(0, 9) i"
    )
    days = [
        dt.datetime(2024, 1, day, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))) for day in (9, 4)
    ]
    assert sizes(read_sql_query(sql, source.url, "at", divisions=days)) == [3, 5, 2, 0]
    assert sizes(
        read_sql_query("SELECT name FROM texts", source.url, "name", divisions=["it's", "5%%"])
    ) == [1, 3, 1, 0]


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_dtypes_are_those_of_the_backend(source: Database, backend: Any) -> None:
    """What Dask believes of the dtypes is what each partition has."""
    frame = read_sql_query(ALL, source.url, "id", dtype_backend=backend)
    shown = {
        "pyarrow": ["int32[pyarrow]", "string[pyarrow]", "decimal128(12, 3)[pyarrow]"],
        "numpy_nullable": ["Int32", "string", "object"],
    }[backend]
    assert [str(dtype) for dtype in frame.dtypes] == shown
    pd.testing.assert_series_equal(frame.dtypes, frame.compute().dtypes)
    assert frame.index.dtype == frame.compute().index.dtype
