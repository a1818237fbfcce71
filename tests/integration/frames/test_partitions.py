"""Dask DataFrames from a query: partitions are the plan's chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pytest

from mapper_dask import ChunkManager, MapperJob, read_sql_query
from mapper_dask.errors import (
    DatabaseError,
    EncodeError,
    SourceChangedError,
)
from tests.database import Database
from tests.integration.frames.readings import ALL, ROWS, SIZE, values

CUTS = [
    ({"index_col": "id"}, ALL),
    ({"index_col": "k"}, ALL),
    ({"index_col": "name"}, ALL),
    ({}, ALL + " ORDER BY id DESC"),
    ({}, "SELECT id, name FROM heap"),
    ({}, "SELECT id, random() AS r FROM readings"),
]
CUT_IDS = ["key", "null_keys", "text_key", "detected", "heap", "one_chunk"]


@pytest.mark.parametrize(("options", "sql"), CUTS, ids=CUT_IDS)
def test_the_partitions_are_the_plans_chunks(
    source: Database, options: dict[str, Any], sql: str
) -> None:
    """Each partition holds the rows that its chunk's own SQL gives, and together all of them."""
    job = MapperJob(
        source_conn=source.url,
        source_sql=sql,
        key_column=options.get("index_col"),
        strategy=options.get("strategy"),
        chunk_size=SIZE,
        consistent=False,
    )
    plan = ChunkManager().plan(job)
    frame = read_sql_query(sql, source.url, chunk_size=SIZE, **options)
    assert isinstance(frame, dd.DataFrame)
    assert frame.npartitions == len(plan.chunks)
    once = "random" in sql or "heap" in sql  # row addresses need a snapshot, and there is no key
    assert (frame.npartitions == 1) == once
    for chunk, part in zip(plan.chunks, frame.partitions, strict=True):
        own = source.fetch(ChunkManager().create_chunked_query(source.url, plan, chunk))
        place = [column.name for column in plan.query.columns].index("id")
        assert sorted(values(part, "id")) == sorted(row[place] for row in own)
    assert sorted(values(frame, "id")) == list(range(1, ROWS + 1))


DERIVED: dict[str, Callable[[dd.DataFrame], dd.DataFrame]] = {
    "read": lambda frame: frame,
    "map_partitions": lambda frame: frame.map_partitions(lambda part: part.head(3)),
    "assign": lambda frame: frame.assign(twice=frame.price * 2),
    "filter": lambda frame: frame[frame.price > 1][["price"]],
    "chain": lambda frame: frame.assign(one=1).map_partitions(lambda p: p).assign(two=2),
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_a_partition_is_one_task_with_what_is_done_to_it(
    source: Database, derive: Callable[[dd.DataFrame], dd.DataFrame]
) -> None:
    """The partition of NULL keys is no exception: it is read by a task like the others."""
    frame = derive(read_sql_query(ALL, source.url, "k", chunk_size=SIZE))
    assert frame.npartitions > 4
    assert len(frame.optimize().__dask_graph__()) == frame.npartitions


def test_what_dask_computes_is_what_the_database_computes(source: Database) -> None:
    """Groups that stand in many partitions, NULL among them, with exact sums."""
    frame = read_sql_query(ALL, source.url, "id", chunk_size=SIZE)
    sums = frame.groupby("k", dropna=False).price.sum().compute()
    expected = source.fetch("SELECT k, sum(price) FROM readings GROUP BY k")
    assert {None if pd.isna(k) else k: v for k, v in sums.items()} == dict(expected)
    assert frame.k.sum().compute() == source.fetch("SELECT sum(k) FROM readings")[0][0]
    assert len(frame) == ROWS


def test_it_reads_when_it_is_computed_and_anew_each_time(source: Database) -> None:
    """Rows beyond the keys the plan saw are in the open partitions."""
    source.execute("CREATE TABLE growing AS SELECT i AS id FROM generate_series(1, 10) i")
    frame = read_sql_query("SELECT id FROM growing", source.url, "id", chunk_size=3)
    source.execute("INSERT INTO growing VALUES (-5), (99), (NULL)")
    assert len(frame) == 13
    source.execute("DELETE FROM growing WHERE id > 1")
    assert set(values(frame, "id")) == {-5, 1, None}


def test_a_source_that_changed_since_is_an_error(source: Database) -> None:
    """A partition never has other columns or types than the frame says."""
    source.execute("CREATE TABLE drifting AS SELECT 1 AS id, 2 AS n")
    frame = read_sql_query("SELECT id, n FROM drifting", source.url, "id")
    source.execute("ALTER TABLE drifting ALTER n TYPE text USING 'two'")
    with pytest.raises((EncodeError, SourceChangedError), match="column 'n'"):
        frame.compute()
    source.execute("ALTER TABLE drifting DROP n")
    with pytest.raises(DatabaseError, match='column "n" does not exist'):
        frame.compute()
