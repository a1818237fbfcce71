"""The statements that a refusal prints are all it takes: once they are run, the job succeeds."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import MapperError, MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import named_queries
from tests.builders import job_of, make_shop
from tests.database import Databases

ROWS = 20
PASSWORD = "choose one"
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "named": {"run_id": "r"},
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge", "primary_key": ["id"]},
    "rejects": {"reject_limit": 5},
}


@dataclass(frozen=True)
class Poor:
    """A login that has nothing but CONNECT."""

    databases: Databases
    role: str

    def job(self, **options: Any) -> MapperJob:
        url = sa.make_url(self.databases.target.url).set(username=self.role, password=PASSWORD)
        usual = {
            "source_sql": "SELECT id FROM s", "target_schema": "Mart", "chunk_size": 10,
            "target_conn": url.render_as_string(hide_password=False),
        }  # fmt: skip
        return job_of(self.databases, **{**usual, **options})

    def run(self, **options: Any) -> Any:
        processor = ParallelProcessor(enable_parallel=False, on_failure="raise")
        return processor.run(self.job(**options))


def granted(poor: Poor, error: MapperError) -> list[str]:
    """Run what an error prints, as its administrator; return it."""
    statements = re.findall(r"^  (GRANT .*);$", str(error), re.MULTILINE)
    assert statements, error
    assert PASSWORD not in repr(error)
    for statement in statements:
        poor.databases.target.execute(statement)
    dispose_engines()
    return statements


@pytest.fixture(params=["with a ledger", "without"])
def poor(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Poor]:
    role = f"Poor {uuid.uuid4().hex[:8]}"
    admin = databases.target
    make_shop(databases, ROWS)
    admin.execute('CREATE SCHEMA "Mart"')
    admin.execute('CREATE TABLE "Mart".d (id int PRIMARY KEY, n serial, t text)')
    admin.execute("CREATE SCHEMA home")
    if request.param == "with a ledger":
        made = named_queries.text("ledger_create")
        admin.execute(f"SET search_path = home;\n{made}")
    admin.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'")
    name = sa.make_url(admin.url).database
    admin.execute(f'ALTER ROLE "{role}" IN DATABASE "{name}" SET search_path = home')
    try:
        yield Poor(databases, role)
    finally:
        dispose_engines()
        admin.execute(f'DROP OWNED BY "{role}"')
        admin.execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("how", WAYS)
def test_what_is_printed_is_all_it_takes(poor: Poor, how: str) -> None:
    with pytest.raises(MapperError) as caught:
        poor.run(**WAYS[how])

    granted(poor, caught.value)
    assert poor.run(**WAYS[how]).total_rows_successful == ROWS
    poor.run(**{**WAYS[how], "run_id": "again", "source_sql": "SELECT id + 100 AS id FROM s"})


@pytest.mark.parametrize("poor", ["without"], indirect=True)
def test_with_a_function_too(poor: Poor) -> None:
    def filled(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(n=frame.id, t="x")

    with pytest.raises(MapperError) as caught:
        poor.run(transformation_logic=filled, write_disposition="replace")

    granted(poor, caught.value)
    done = poor.run(transformation_logic=filled, write_disposition="replace")
    assert done.total_rows_successful == ROWS


@pytest.mark.parametrize("poor", ["with a ledger"], indirect=True)
def test_a_sequence_is_asked_for_only_where_it_gives_values(poor: Poor) -> None:
    with pytest.raises(MapperError, match="SEQUENCE") as caught:
        poor.run()
    with pytest.raises(MapperError) as filled:
        poor.run(source_sql="SELECT id, id AS n FROM s")

    assert 'GRANT USAGE ON SEQUENCE "Mart".d_n_seq TO' in str(caught.value)
    assert "SEQUENCE" not in str(filled.value)


def untouched(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@pytest.mark.parametrize("poor", ["with a ledger"], indirect=True)
@pytest.mark.parametrize("reject_limit", [0, 5])
def test_what_nobody_knew_before_is_told_where_it_is_met(poor: Poor, reject_limit: int) -> None:
    """A function's columns: it may fill that of the sequence. No row is refused for it."""
    how = {"transformation_logic": untouched, "reject_limit": reject_limit}
    with pytest.raises(MapperError) as caught:
        poor.run(**how)
    granted(poor, caught.value)
    with pytest.raises(MapperError, match="permission denied for sequence") as met:
        poor.run(**how)
    [statement] = re.findall(
        r"GRANT USAGE ON SEQUENCE [^;\n]+?(?= \[|;|$)", str(met.value), re.MULTILINE
    )
    poor.databases.target.execute(statement)
    dispose_engines()
    done = poor.run(**how)
    assert (done.total_rows_successful, done.total_rows_rejected) == (ROWS, 0)


@pytest.mark.parametrize("poor", ["with a ledger"], indirect=True)
def test_each_that_lacks_is_named_alone(poor: Poor) -> None:
    how = "replace"
    with pytest.raises(MapperError) as caught:
        poor.run(**WAYS[how])
    for statement in granted(poor, caught.value):
        undone = statement.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")
        poor.databases.target.execute(undone)
        dispose_engines()
        with pytest.raises(MapperError) as again:
            poor.run(**WAYS[how])
        assert granted(poor, again.value) == [statement]
    assert poor.run(**WAYS[how]).succeeded
