"""A watermark is held against its target: rows that are gone from it stop the flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.errors import ConfigurationError, RunNotFoundError
from mapper_dask.flow import FlowJobResult, FlowResult
from mapper_dask.ledger import cleanup as housekeeping
from mapper_dask.ledger import incremental_evidence as held
from tests.builders import job_of
from tests.database import Databases

OLD, NEW = 1_000, 200


@pytest.fixture
def kept(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE s (id int PRIMARY KEY, t timestamptz, v text)")
    databases.target.execute("CREATE TABLE a (id int PRIMARY KEY, t timestamptz, v text)")
    return databases


def grow(databases: Databases, first: int, last: int) -> None:
    databases.source.execute(
        "INSERT INTO s SELECT g, timestamptz '2024-01-01 00:00Z' + g * interval '1 min', 'x'"
        f" FROM generate_series({first}, {last}) g"
    )


def flow(databases: Databases, disposition: str = "append", **options: Any) -> Flow:
    moved = job_of(
        databases, target_table="a", write_disposition=disposition,
        transformation_logic=options.pop("function", None),
    )  # fmt: skip
    wanted = Incremental(**{"column": "t", **options})
    job = FlowJob(name="a", job=moved, incremental=wanted, parallel=False)
    return Flow(name="kept", jobs=(job,))


def ran(made: Flow, run_id: str) -> FlowResult:
    return ExecutionEngine(1, progress=False).run(made.evolve(run_id=run_id))


def run(made: Flow, run_id: str) -> FlowJobResult:
    return ran(made, run_id).raise_for_status().jobs[0]


def ids(databases: Databases) -> list[int]:
    return [row for (row,) in databases.target.fetch("SELECT id FROM a ORDER BY id")]


TRUNCATED = "TRUNCATE a"
EMPTIED = "DELETE FROM a"
NEWEST_DELETED = f"DELETE FROM a WHERE id > {OLD}"
SOME_DELETED = f"DELETE FROM a WHERE id = {OLD + 10}"
OLDER_COPY = (
    f"CREATE TABLE copy (LIKE a INCLUDING ALL); INSERT INTO copy SELECT * FROM a WHERE id <= {OLD};"
    "DROP TABLE a; ALTER TABLE copy RENAME TO a"
)
OLDER_ROWS = (
    f"CREATE TEMP TABLE copy AS SELECT * FROM a WHERE id <= {OLD};"
    "TRUNCATE a; INSERT INTO a SELECT * FROM copy"
)
NEWEST_ONLY = OLDER_COPY.replace(f"id <= {OLD}", f"id > {OLD + 1}")
LOSSES = {
    name: value
    for name, value in globals().copy().items()
    if isinstance(value, str) and name.isupper()
}


@pytest.mark.parametrize("disposition", ["append", "merge"])
@pytest.mark.parametrize("loss", LOSSES)
def test_rows_that_are_gone_stop_the_next_run_and_can_be_read_again(
    kept: Databases, loss: str, disposition: str
) -> None:
    made = flow(kept, disposition)
    grow(kept, 1, OLD)
    run(made, "monday")
    grow(kept, OLD + 1, OLD + NEW)
    run(made, "tuesday")
    kept.target.execute(LOSSES[loss])
    left = len(ids(kept))
    grow(kept, OLD + NEW + 1, OLD + 2 * NEW)

    [refused] = ran(made, "wednesday").jobs
    assert refused.state.value == "FAILED"
    for said in ("'tuesday'", "are gone", "rewind('tuesday')", "check_target=False"):
        assert said in str(refused.error)
    [again] = ran(made, "tuesday").jobs
    assert again.state.value == "FAILED", "a run was reported as done whose rows are gone"
    assert "are gone" in str(again.error)
    assert len(ids(kept)) == left, "something was read again in silence"

    engine = ExecutionEngine(1, progress=False)
    assert engine.rewind("tuesday", ledger_conn=kept.target.url) == ("a",)
    kept.target.execute(f"DELETE FROM a WHERE id > {OLD}")  # what is left of it
    if left < OLD:  # what monday has loaded is gone, too
        assert "are gone" in str(ran(made, "thursday").jobs[0].error)
        engine.rewind("monday", ledger_conn=kept.target.url)
    run(made, "friday")
    assert ids(kept) == list(range(1, OLD + 2 * NEW + 1))


def test_a_rewind_goes_back_run_by_run_and_forgets_none(kept: Databases) -> None:
    made = flow(kept, "append")
    engine, ledger = ExecutionEngine(1, progress=False), kept.target.url
    for number, name in enumerate(("monday", "tuesday", "wednesday")):
        grow(kept, 1 + 10 * number, 10 + 10 * number)
        run(made, name)
    kept.target.execute(TRUNCATED)
    for place, name in enumerate(("wednesday", "tuesday", "monday")):
        refused = str(ran(made, f"thursday-{place}").jobs[0].error)
        assert f"rows that run '{name}' has loaded are gone" in refused
        assert engine.rewind(name, ledger_conn=ledger) == ("a",)
        with pytest.raises(ConfigurationError, match="rewound already"):
            engine.rewind(name, ledger_conn=ledger)
    run(made, "friday")
    assert ids(kept) == list(range(1, 31))
    grow(kept, 31, 35)
    run(made, "saturday")
    assert ids(kept) == list(range(1, 36))


def test_what_a_rewound_job_goes_on_from_is_not_cleaned_away(kept: Databases) -> None:
    made = flow(kept, "append")
    for number, name in enumerate(("monday", "tuesday")):
        grow(kept, 1 + 10 * number, 10 + 10 * number)
        run(made, name)
    kept.target.execute("DELETE FROM a WHERE id > 10")
    ExecutionEngine(1, progress=False).rewind("tuesday", ledger_conn=kept.target.url)
    housekeeping.clean(reference(kept.target.url), older_than=0)
    run(made, "friday")
    assert ids(kept) == list(range(1, 21))


@pytest.mark.parametrize(
    "harmless",
    ["VACUUM FULL a", "CLUSTER a USING a_pkey", "UPDATE a SET v = 'y'", "ANALYZE a",
     "DELETE FROM a WHERE id <= 100", "INSERT INTO a VALUES (-1, '2030-01-01', 'of others')",
     "ALTER TABLE a ADD COLUMN more int"],
)  # fmt: skip
def test_what_takes_no_newest_row_is_in_nobodys_way(kept: Databases, harmless: str) -> None:
    made = flow(kept)
    grow(kept, 1, OLD)
    run(made, "monday")
    grow(kept, OLD + 1, OLD + NEW)
    run(made, "tuesday")
    kept.target.execute(harmless)
    assert run(made, "wednesday").rows == 0
    grow(kept, OLD + NEW + 1, OLD + NEW + 5)
    assert run(made, "thursday").rows == 5


def test_rows_that_are_deleted_on_purpose_need_not_be_there(kept: Databases) -> None:
    made = flow(kept, check_target=False)
    grow(kept, 1, OLD)
    run(made, "monday")
    kept.target.execute(EMPTIED)
    grow(kept, OLD + 1, OLD + NEW)
    assert run(made, "tuesday").rows == NEW


def without_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave the column out, so that the target has none to compare."""
    return frame.drop(columns="t")


@pytest.mark.parametrize("loss", ["TRUNCATED", "EMPTIED", "OLDER_COPY", "OLDER_ROWS"])
def test_a_target_without_the_column_is_asked_what_it_can_be(kept: Databases, loss: str) -> None:
    made = flow(kept, function=without_time)
    grow(kept, 1, OLD)
    run(made, "monday")
    grow(kept, OLD + 1, OLD + NEW)
    run(made, "tuesday")
    kept.target.execute(LOSSES[loss])
    [refused] = ran(made, "wednesday").jobs
    assert "are gone" in str(refused.error)


def test_what_was_not_noted_before_a_kill_is_told_by_the_mark_itself(kept: Databases) -> None:
    made = flow(kept)
    grow(kept, 1, OLD)
    run(made, "monday")
    grow(kept, OLD + 1, OLD + NEW)
    run(made, "tuesday")
    kept.target.execute(
        "UPDATE mapper_dask_flow_job SET held = NULL, state = 'RUNNING', rows_loaded = NULL"
        " WHERE flow_run_id = 'tuesday'"
    )
    kept.target.execute(NEWEST_DELETED)
    assert "are gone" in str(ran(made, "wednesday").jobs[0].error)


def test_who_may_not_read_the_target_is_told_that_nothing_was_asked(kept: Databases) -> None:
    grow(kept, 1, OLD)
    made = flow(kept)
    run(made, "monday")
    role = "mapper_dask_test_blind_writer"
    kept.target.execute(
        f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT INSERT ON a TO"
        f" {role}; GRANT ALL ON mapper_dask_run, mapper_dask_chunk, mapper_dask_reject TO {role}"
    )
    blind = sa.make_url(kept.target.url).set(username=role, password="x")
    [job] = made.jobs
    other = replace(job, job=job.job.evolve(target_conn=blind))
    read = held.Read("monday", "monday.a", "2024-01-01 16:40:00+00", OLD, None)
    try:
        [note] = held.require(other, read)
        assert "could not be asked" in note
        assert held.noted(other, None, None) is None
    finally:
        dispose_engines()
        kept.target.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_ledger_of_flows_of_an_earlier_version_gets_the_new_columns(kept: Databases) -> None:
    made = flow(kept)
    grow(kept, 1, OLD)
    run(made, "monday")
    kept.target.execute(
        "ALTER TABLE mapper_dask_flow_job DROP COLUMN edge, DROP COLUMN notes, DROP COLUMN held"
    )
    assert ExecutionEngine(1).status("monday", ledger_conn=kept.target.url).succeeded
    kept.target.execute(TRUNCATED)
    assert "are gone" in str(ran(made, "tuesday").jobs[0].error)


def test_only_what_was_read_can_be_rewound(kept: Databases) -> None:
    made = flow(kept)
    whole = made.evolve(jobs=(replace(made.jobs[0], incremental=None),), run_id="monday")
    ExecutionEngine(1, progress=False).run(whole).raise_for_status()
    with pytest.raises(ConfigurationError, match="no incremental job that was read"):
        ExecutionEngine(1).rewind("monday", ledger_conn=kept.target.url)
    with pytest.raises(RunNotFoundError):
        ExecutionEngine(1).rewind("nobody", ledger_conn=kept.target.url)
