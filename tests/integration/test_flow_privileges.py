"""What docs/privileges.md grants for flows suffices, and each grant is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, FlowResult, Incremental, MapperError
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.errors import TargetError
from tests.database import Server
from tests.integration import test_least_privilege as page
from tests.integration.test_least_privilege import ROWS, WRITER, Estate

TABLES = "SET search_path = mapper_ledger; " + named_queries.text("ledger_flow_create")
GRANTS = page.grants(page.block("flows"))

made = page.made


@pytest.fixture
def estate(made: Estate) -> Iterator[Estate]:
    """The page's databases, with the tables of flows, which their owner has made."""
    made.run(WRITER, TABLES)
    made.run(WRITER, page.block("flows"))
    yield made
    dispose_engines()
    made.run(
        WRITER, "DROP TABLE mapper_ledger.mapper_dask_flow_job, mapper_ledger.mapper_dask_flow"
    )
    made.run(WRITER, "TRUNCATE mart.orders_clean; DELETE FROM mapper_ledger.mapper_dask_run")


def moved(estate: Estate, run_id: str) -> FlowResult:
    job = FlowJob(name="orders", job=estate.job, incremental=Incremental(column="id"))
    flow = Flow(name="nightly", jobs=(job,), run_id=run_id)
    return ExecutionEngine(1, progress=False).run(flow)


def test_what_the_page_grants_is_enough_for_flows(estate: Estate, postgres_server: Server) -> None:
    del postgres_server
    moved(estate, "first").raise_for_status()
    assert estate.arrived == ROWS
    again = moved(estate, "second").raise_for_status()
    assert (again.jobs[0].rows, estate.arrived) == (0, ROWS)
    known = ExecutionEngine(1).status("first", ledger_conn=estate.url(WRITER))
    assert known.succeeded


@pytest.mark.parametrize("grant", GRANTS, ids=str)
def test_each_grant_for_flows_is_needed(estate: Estate, grant: page.Grant) -> None:
    estate.revoke(grant)
    with pytest.raises(MapperError, match="permission denied"):
        moved(estate, "lacking").raise_for_status()


def test_what_is_told_of_flows_is_all_it_takes(estate: Estate) -> None:
    """Both tables at once, as statements that can be run as they stand."""
    for table in ("mapper_dask_flow", "mapper_dask_flow_job"):
        estate.run(WRITER, f"REVOKE ALL ON mapper_ledger.{table} FROM mapper_writer")
    with pytest.raises(TargetError) as caught:
        moved(estate, "told")
    assert caught.value.details["field"] == "ledger_conn"
    told = str(caught.value).partition("all at once: ")[2].split("; ")
    assert len(told) == 2
    for statement in told:
        estate.run(WRITER, statement)
    moved(estate, "told").raise_for_status()
    assert estate.arrived == ROWS


def test_the_page_grants_something_for_flows() -> None:
    assert len(GRANTS) == 6
