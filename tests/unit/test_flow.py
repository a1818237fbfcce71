"""A flow as a value: what is refused before anything runs, and in which order its jobs may run."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from fractions import Fraction

import pytest

from mapper_dask import ExecutionEngine, Flow, FlowJob, FlowResult, Incremental, MapperJob
from mapper_dask.errors import ConfigurationError, RunFailedError
from mapper_dask.flow import FlowJobResult, JobState
from mapper_dask.flows.schedule import Schedule
from mapper_dask.ledger.flow_tables import LONGEST_RUN_ID, job_run_id

URL = "postgresql://localhost/nowhere"


def move(**fields):
    chosen = {"source_conn": URL, "source_sql": "SELECT 1 AS a", "target_conn": URL}
    return MapperJob(**{**chosen, "target_table": "t", **fields})


def job(name, *after, **fields):
    return FlowJob(name=name, job=fields.pop("job", move()), depends_on=after, **fields)


def flow(*jobs, **fields):
    return Flow(name=fields.pop("name", "nightly"), jobs=jobs, **fields)


def refusal(made):
    with pytest.raises(ConfigurationError) as raised:
        made.validated()
    return str(raised.value), raised.value.details


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\0", "x" * 201, "\ud800", None, 7])
def test_names_that_the_ledger_could_not_hold_are_refused(name):
    for made in (flow(job("a"), name=name), flow(job(name))):
        text, details = refusal(made)
        assert "must be 1 to 200 printable characters" in text
        assert details["field"] == "name"


def test_a_run_id_is_a_name_too():
    text, details = refusal(flow(job("a"), run_id="a\tb"))
    assert text.startswith("run_id must be")
    assert details == {"field": "run_id"}


def test_a_flow_without_jobs_is_refused():
    assert "at least one job" in refusal(flow())[0]


def test_a_name_given_twice_is_refused():
    text, details = refusal(flow(job("a"), job("b"), job("a")))
    assert text == "job 'a': name is given to two jobs; give each its own"
    assert details == {"field": "name", "job": "a"}


def test_an_unknown_dependency_is_named_with_the_known_ones():
    text, details = refusal(flow(job("a"), job("b", "aa")))
    assert text == "job 'b': depends_on knows no job 'aa'; did you mean 'a'?"
    assert details == {"field": "depends_on", "job": "b"}


def test_a_dependency_that_is_a_bare_text_is_refused():
    made = FlowJob(name="b", job=move(), depends_on="a")
    assert "must be a list of names" in refusal(flow(job("a"), made))[0]


@pytest.mark.parametrize(
    ("jobs", "cycle"),
    [
        ([("a", "a")], "a → a"),
        ([("a", "b"), ("b", "a")], "a → b → a"),
        ([("x",), ("a", "x", "b"), ("b", "c"), ("c", "a", "x")], "a → b → c → a"),
        ([("before", "a"), ("a", "b"), ("b", "a")], "a → b → a"),
        ([("a", "b"), ("b", "a"), ("after", "b")], "a → b → a"),
    ],
)
def test_a_cycle_is_named(jobs, cycle):
    text, details = refusal(flow(*(job(*names) for names in jobs)))
    assert f"{cycle} is a cycle" in text
    assert details["field"] == "depends_on"


def test_what_is_wrong_with_a_job_names_the_job_and_the_field():
    text, details = refusal(flow(job("a"), job("b", job=move(chunk_size=0))))
    assert text.startswith("job 'b': chunk_size must be")
    assert details == {"field": "chunk_size", "job": "b"}


def test_the_run_id_of_a_job_is_the_flows():
    assert "is given by the flow" in refusal(flow(job("a", job=move(run_id="mine"))))[0]


@pytest.mark.parametrize(
    ("incremental", "fields", "said"),
    [
        ({"column": ""}, {}, "incremental.column must be the name of a column"),
        ({"column": None}, {}, "incremental.column must be the name of a column"),
        ({}, {"write_disposition": "replace"}, "use write_disposition 'append' or 'merge'"),
        ({"overlap": 5}, {}, "use write_disposition='merge'"),
        ({"overlap": dt.timedelta(1)}, {"atomic": True}, "use write_disposition='merge'"),
        ({"overlap": -1}, {"write_disposition": "merge"}, "of at least 0"),
        ({"overlap": dt.timedelta(-1)}, {"write_disposition": "merge"}, "of at least 0"),
        ({"overlap": float("nan")}, {"write_disposition": "merge"}, "of at least 0"),
        ({"overlap": True}, {"write_disposition": "merge"}, "of at least 0"),
        ({"overlap": "2 days"}, {"write_disposition": "merge"}, "must be a timedelta or a number"),
    ],
)
def test_what_an_incremental_job_cannot_do_is_refused(incremental, fields, said):
    wanted = Incremental(**{"column": "a", **incremental})
    text, details = refusal(flow(job("a", job=move(**fields), incremental=wanted)))
    assert said in text
    assert details["job"] == "a"


LONG = [
    10**30_000,
    int("1" * 4_000) * 10,
    Decimal("1" * 30_000),
    Decimal("0." + "1" * 30_000),
    Decimal("1e999999"),
    Decimal("1e-999999"),
    Decimal("sNaN"),
    float("inf"),
]


@pytest.mark.parametrize("number", [*LONG, dt.timedelta.max, Fraction(1, 3)], ids=type)
def test_an_overlap_of_any_length_is_refused_and_not_written_out(number):
    wanted = Incremental(column="a", overlap=number)
    merged = move(write_disposition="merge")
    text, details = refusal(flow(job("a", job=merged, incremental=wanted)))
    assert "at most 1,000 years" in text
    assert len(text) < 300
    assert details["field"] == "incremental.overlap"


@pytest.mark.parametrize("number", [*LONG, "1" * 30_000], ids=type)
def test_a_start_of_any_length_is_refused_and_not_written_out(number):
    text, details = refusal(flow(job("a", incremental=Incremental(column="a", start=number))))
    assert len(text) < 300
    assert details["field"] == "incremental.start"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("in_progress", "maybe"),
        ("in_progress", None),
        ("range_end", "ajar"),
        ("commit_wait", -1),
        ("commit_wait", float("nan")),
        ("commit_wait", float("inf")),
        ("commit_wait", 10**400),
        ("commit_wait", True),
        ("commit_wait", "5"),
        ("check_target", "no"),
    ],
)
def test_an_option_of_an_incremental_job_that_nobody_knows_is_refused(field, value):
    wanted = Incremental(**{"column": "a", field: value})
    _, details = refusal(flow(job("a", incremental=wanted)))
    assert details["field"] == f"incremental.{field}"


@pytest.mark.parametrize("overlap", [None, 0, dt.timedelta(0)])
def test_no_overlap_needs_no_merge(overlap):
    wanted = Incremental(column="a", overlap=overlap)
    flow(job("a", incremental=wanted)).validated()


@pytest.mark.parametrize("overlap", [1, 0.5, Decimal("0.1"), dt.timedelta(hours=2)])
def test_an_overlap_merges(overlap):
    merged = move(write_disposition="merge")
    flow(job("a", job=merged, incremental=Incremental(column="a", overlap=overlap))).validated()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"max_workers": 0}, "max_workers"),
        ({"retries": 0}, "retries"),
        ({"lock_timeout": -1}, "lock_timeout"),
        ({"job": move(source_conn="nowhere")}, "source_conn"),
        ({"job": move(source_conn="env:MAPPER_DASK_NO_SUCH")}, "source_conn"),
        ({"job": move(target_conn="mysql://h/d")}, "target_conn"),
    ],
)
def test_the_engine_refuses_before_it_connects(fields, field):
    with pytest.raises(ConfigurationError, match="job 'a': ") as raised:
        ExecutionEngine().run(flow(job("a", **fields)))
    assert raised.value.details["field"] == field
    assert raised.value.details["job"] == "a"


def test_a_function_that_cannot_be_sent_is_refused_before_anything_runs():
    held = threading.Lock()
    with pytest.raises(ConfigurationError, match="job 'a': transformation_logic"):
        ExecutionEngine().run(
            flow(job("a", job=move(transformation_logic=lambda frame: frame.assign(x=held))))
        )


def test_a_flow_of_dry_runs_needs_a_ledger():
    dry = move(target_conn=None, target_table=None)
    with pytest.raises(ConfigurationError, match="ledger_conn is needed"):
        ExecutionEngine().run(flow(job("a", job=dry)))


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0},
        {"max_parallel_jobs": 0},
        {"retries": 0},
        {"lock_timeout": 0},
        {"client": "tcp://localhost:8786"},
        {"progress": "loud"},
    ],
)
def test_the_engines_own_arguments_are_checked(options):
    with pytest.raises(ConfigurationError):
        ExecutionEngine(**options)


def test_what_is_no_flow_is_refused():
    with pytest.raises(ConfigurationError, match="must be a Flow"):
        ExecutionEngine().run([job("a")])


# -- names of runs ---------------------------------------------------------------------------------


def test_a_jobs_run_is_named_after_the_flows():
    assert job_run_id("monday", "load") == "monday.load"


def test_no_two_jobs_share_a_run():
    pairs = [("a", "b.c"), ("a.b", "c"), ("x" * 150, "y" * 150), ("x" * 150, "y" * 149)]
    made = {job_run_id(*pair) for pair in pairs}
    assert len(made) == len(pairs)
    assert max(map(len, made)) <= LONGEST_RUN_ID


# -- the order -------------------------------------------------------------------------------------


def names(jobs):
    return [made.name for made in jobs]


def test_jobs_begin_when_those_they_depend_on_have_succeeded():
    order = Schedule((job("a"), job("b"), job("c", "a", "b"), job("d", "c")), limit=9)
    assert names(order.ready()) == ["a", "b"]
    assert names(order.ready()) == []
    order.end("b", JobState.SUCCEEDED)
    assert names(order.ready()) == []
    order.end("a", JobState.SUCCEEDED)
    assert names(order.ready()) == ["c"]
    order.end("c", JobState.SUCCEEDED)
    assert names(order.ready()) == ["d"]
    assert not order.done
    order.end("d", JobState.SUCCEEDED)
    assert order.done


def test_no_more_begin_than_may_run_at_a_time_and_those_in_the_order_they_were_written():
    order = Schedule(tuple(map(job, "abcd")), limit=2)
    assert names(order.ready()) == ["a", "b"]
    order.end("b", JobState.SUCCEEDED)
    assert names(order.ready()) == ["c"]
    order.end("a", JobState.FAILED)
    assert names(order.ready()) == ["d"]


@pytest.mark.parametrize(
    "state", [JobState.FAILED, JobState.PARTIAL, JobState.CANCELLED, JobState.DISCARDED]
)
def test_what_did_not_succeed_stops_its_dependants_and_no_others(state):
    jobs = (job("a"), job("b"), job("c", "a"), job("d", "c"), job("e", "b"))
    order = Schedule(jobs, limit=9)
    order.ready()
    order.end("a", state)
    assert [(made.name, why) for made, why in order.skipped()] == [
        ("c", f"it depends on a {state.value}"),
        ("d", "it depends on c SKIPPED"),
    ]
    order.end("b", JobState.SUCCEEDED)
    assert names(order.ready()) == ["e"]


# -- the result ------------------------------------------------------------------------------------


def test_a_result_says_which_job_did_not_succeed():
    result = FlowResult(
        "nightly",
        "monday",
        (
            FlowJobResult("a", JobState.SUCCEEDED, rows=7),
            FlowJobResult("b", JobState.FAILED, error="no such table"),
            FlowJobResult("c", JobState.SKIPPED, error="it depends on b FAILED"),
        ),
        1.5,
    )
    assert not result.succeeded
    assert "b  FAILED: no such table" in str(result)
    assert list(result.to_frame()["rows"].fillna(0)) == [7, 0, 0]
    with pytest.raises(RunFailedError, match=r"2 of 3 jobs .*resume\('monday'\).*no such table"):
        result.raise_for_status()
