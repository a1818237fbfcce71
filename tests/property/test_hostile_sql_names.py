"""No column, table or alias of the user's can be mistaken for a name of ours, whatever is done.

Names are drawn from all that stand in our own statements, and from hostile ones. Operations that
write SQL around the user's are run to their end, and rows are compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
)
from mapper_dask.connections.pool import dispose_engines
from tests.database import Server, fresh_databases
from tests.long_form import NAMES_OF_OURS
from tests.property.hostile import (
    COLUMN,
    SCHEMA,
    TABLE,
    Pair,
    _side,
    examples,
    quoted,
    unchanged,
)

pytestmark = pytest.mark.integration

OURS = (
    *("q", "s", "t", "x", "o", "d", "a", "b", "c", "n", "p", "e", "f", "h", "Q", "S", "T"),
    *("place", "place_1", "PLACE", "k0", "k1", "tied", "ranked", "excluded", "EXCLUDED", "own"),
    *("others", "key", "start", "xid", "name", "value", "count", "total", "row_number", "rank"),
    *("mapper_dask place", "mapper_dask", "mapper_dask_run", "pg_catalog", "public", "oid"),
    *("rownum", "ROWNUM", "level", "LEVEL", "rowid", "ROWID", "sysdate", "user", "text", "null"),
)
"""Names in our own statements, and those that a database gives a meaning of its own."""

NAMED = st.sampled_from(OURS) | COLUMN
ROWS = 12


@dataclass(frozen=True)
class Names:
    """What an example's columns and tables are called."""

    columns: list[str]
    """Key, number that grows, row type, text."""
    schemas: tuple[str, str]
    """One name: the row type's must be the same."""
    tables: tuple[str, str]
    alias: str


NAMES = st.builds(
    Names,
    columns=st.lists(NAMED, min_size=4, max_size=4, unique_by=str.casefold),
    schemas=SCHEMA.map(lambda name: (name, name)),  # a type is called alike on both sides
    tables=st.tuples(st.sampled_from(OURS) | TABLE, st.sampled_from(OURS) | TABLE),
    alias=NAMED,
)
KNOWN = [
    Names(["id", "place", "q", "other"], ("s1", "s1"), ("excluded", "excluded"), "q"),
    Names(["place", "q", "excluded", "s"], ("s1", "s1"), ("q", "t"), "place"),
    Names(["q", "k0", "place", "ranked"], ("s1", "s1"), ("s", "s"), "q"),
    Names(["t", "s", "q", "EXCLUDED"], ("s1", "s1"), ("t", "EXCLUDED"), "t"),
    Names(["mapper_dask place", "rownum", "tied", "place_1"], ("q", "q"), ("x", "d"), "o"),
]
"""What was mistaken once, and its kin."""


@pytest.fixture(scope="module")
def pair(postgres_server: Server) -> Iterator[Pair]:
    with fresh_databases(postgres_server) as fresh, contextlib.ExitStack() as stack:
        yield Pair(*(stack.enter_context(_side(database.url)) for database in fresh))
        dispose_engines()


@dataclass(frozen=True)
class Stage:
    """Two tables of hostile names, and what is done with them."""

    pair: Pair
    names: Names

    @property
    def source(self) -> str:
        return f"{quoted(self.names.schemas[0])}.{quoted(self.names.tables[0])}"

    @property
    def target(self) -> str:
        return f"{quoted(self.names.schemas[1])}.{quoted(self.names.tables[1])}"

    @property
    def sql(self) -> str:
        return f"SELECT * FROM {self.source} AS {quoted(self.names.alias)}"

    def make(self) -> None:
        """Make the tables; a row type of theirs has fields that are called as their columns."""
        key, grows, row, text = map(quoted, self.names.columns)
        for side, schema, table in (
            (self.pair.source, self.names.schemas[0], self.source),
            (self.pair.target, self.names.schemas[1], self.target),
        ):
            kind = f"{quoted(schema)}.fields"
            side.run(f"CREATE TYPE {kind} AS ({key} int, {grows} int)")
            side.run(
                f"CREATE TABLE {table} ({key} int PRIMARY KEY, {grows} int, {row} {kind}, "
                f"{text} text)"
            )
        self.fill(range(ROWS))

    def fill(self, numbers: Sequence[int]) -> None:
        self.pair.source.run(
            f"INSERT INTO {self.source} SELECT g, g, ROW(-g, g)::{quoted(self.names.schemas[0])}"
            f".fields, 'n' || g FROM generate_series({numbers[0]}, {numbers[-1]}) AS g"
        )

    def move(self, **options: Any) -> Any:
        job = {
            "source_conn": self.pair.source.url, "source_sql": self.sql, "chunk_size": 4,
            "target_conn": self.pair.target.url, "target_schema": self.names.schemas[1],
            "target_table": self.names.tables[1], "key_column": self.names.columns[0],
        }  # fmt: skip
        result = ParallelProcessor(enable_parallel=False, progress=False).run(
            MapperJob(**{**job, **options})
        )
        result.raise_for_status()
        return result

    def clear(self) -> None:
        self.pair.target.run(f"DELETE FROM {self.target}")

    def require_moved(self) -> None:
        self.pair.require_same(f"TABLE {self.source}", f"TABLE {self.target}")


def append(stage: Stage) -> None:
    for way in ({}, {"strategy": "OFFSET_LIMIT"}, {"strategy": "ROWID_BASED", "key_column": None}):
        stage.clear()
        stage.move(**way)
        stage.require_moved()


def append_through_a_function(stage: Stage) -> None:
    stage.clear()
    stage.move(transformation_logic=unchanged)
    stage.require_moved()


def replace(stage: Stage) -> None:
    stage.move(write_disposition="replace")
    stage.require_moved()


def replace_what_others_refer_to(stage: Stage) -> None:
    key = quoted(stage.names.columns[0])
    child = f"{quoted(stage.names.schemas[1])}.{quoted('child')}"
    stage.pair.target.run(f"CREATE TABLE {child} ({key} int REFERENCES {stage.target})")
    try:
        stage.move(write_disposition="replace")
        stage.require_moved()
    finally:
        stage.pair.target.run(f"DROP TABLE {child}")


def merge(stage: Stage) -> None:
    stage.move(write_disposition="merge")
    stage.require_moved()


def merge_the_newest(stage: Stage) -> None:
    key, grows, row, text = map(quoted, stage.names.columns)
    doubled = (
        f"SELECT {key}, {grows} - 1 AS {grows}, {row}, {text} FROM {stage.source} "
        f"UNION ALL SELECT * FROM {stage.source}"
    )
    stage.move(
        write_disposition="merge", newest_by=stage.names.columns[1], source_sql=doubled,
        key_column=stage.names.columns[1],
    )  # fmt: skip
    stage.require_moved()


def set_rejects_aside(stage: Stage) -> None:
    stage.clear()
    key = quoted(stage.names.columns[0])
    stage.pair.target.run(f"ALTER TABLE {stage.target} ADD CONSTRAINT odd CHECK ({key} <> 5)")
    try:
        result = stage.move(reject_limit=3)
        assert (result.total_rows_successful, result.total_rows_rejected) == (ROWS - 1, 1)
        result = ParallelProcessor(enable_parallel=False).retry_rejects(
            result.run_id, target_conn=stage.pair.target.url
        )
    finally:
        stage.pair.target.run(f"ALTER TABLE {stage.target} DROP CONSTRAINT odd")


def reconcile_and_repair(stage: Stage) -> None:
    stage.clear()
    run_id = stage.move().run_id
    key, _, _, text = map(quoted, stage.names.columns)

    def counted(**options: Any) -> Any:
        processor = ParallelProcessor(enable_parallel=False, progress=False)
        return processor.reconcile(run_id, target_conn=stage.pair.target.url, **options)

    assert counted(checksum=True).matches
    stage.pair.target.run(f"UPDATE {stage.target} SET {text} = 'WRONG' WHERE {key} = 5")
    found = counted(checksum=True)
    assert len(found.differences) == 1, "a checksum sees every column"
    stage.pair.target.run(f"DELETE FROM {stage.target} WHERE {key} = 5")
    assert counted(repair=True).repaired
    stage.require_moved()


def move_what_is_new(stage: Stage) -> None:
    stage.clear()
    job = MapperJob(
        source_conn=stage.pair.source.url, source_sql=stage.sql,
        target_conn=stage.pair.target.url, target_schema=stage.names.schemas[1],
        target_table=stage.names.tables[1], key_column=stage.names.columns[0],
    )  # fmt: skip
    flow = Flow(
        name="growing",
        jobs=(FlowJob(name="j", job=job, incremental=Incremental(column=stage.names.columns[1])),),
    )
    rows = []
    for numbers in (range(0), range(ROWS, ROWS + 3)):
        if numbers:
            stage.fill(numbers)
        result = ExecutionEngine(1, progress=False).run(flow).raise_for_status()
        rows.append(result.jobs[0].rows)
    assert rows == [ROWS, 3]
    stage.require_moved()
    stage.pair.target.run("DELETE FROM mapper_dask_flow")


OPERATIONS: tuple[Callable[[Stage], None], ...] = (
    append,
    append_through_a_function,
    replace,
    replace_what_others_refer_to,
    merge,
    merge_the_newest,
    set_rejects_aside,
    reconcile_and_repair,
    move_what_is_new,
)


@pytest.mark.parametrize("names", KNOWN, ids=lambda names: "-".join(names.columns))
def test_no_name_that_was_mistaken_once_is_mistaken_again(pair: Pair, names: Names) -> None:
    with pair.schemas(*names.schemas):
        stage = Stage(pair, names)
        stage.make()
        for operation in OPERATIONS:
            operation(stage)


@examples(NAMES_OF_OURS)
@given(names=NAMES, operation=st.sampled_from(OPERATIONS))
def test_no_name_is_mistaken_for_one_of_ours(
    pair: Pair, names: Names, operation: Callable[[Stage], None]
) -> None:
    with pair.schemas(*names.schemas):
        stage = Stage(pair, names)
        stage.make()
        operation(stage)
