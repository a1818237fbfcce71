"""Mistakes in several jobs, in what is new of one, and in runs that were begun before."""

# ruff: noqa: ARG001, PLW0108 - a mistake is a function of the shop, whether it needs it or not

from __future__ import annotations

import datetime as dt
from typing import Any

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental, MapperJob, ParallelProcessor
from tests.integration.mistakes.book import BASE, Mistake, Shop, call


def flow(*jobs: FlowJob) -> Any:
    return ExecutionEngine(progress=False).run(Flow(name="nightly", jobs=jobs)).raise_for_status()


def one(name: str = "customers", job: dict[str, Any] | None = None, **options: Any) -> FlowJob:
    return FlowJob(name=name, job=MapperJob(**{**BASE, **(job or {})}), **options)


def new(
    title: str,
    remedy: str,
    field: str = "incremental",
    *,
    job: dict[str, Any] | None = None,
    **what: Any,
) -> Mistake:
    written = ", ".join(f"{name}={value!r}" for name, value in what.items())
    more = "".join(f", {name}={value!r}" for name, value in (job or {}).items())
    return call(
        title,
        field,
        remedy,
        lambda _: flow(one(job=job, incremental=Incremental(**what))),
        given=f"Incremental({written}){more}",
    )


SINCE = {
    "source_sql": "SELECT id, name, city, since FROM sales.customers",
    "columns": ["id", "name", "city"],
    "write_disposition": "merge",
}


def with_run(shop: Shop, **of: Any) -> Any:
    return ParallelProcessor(enable_parallel=False).resume(
        of.pop("run_id", "nightly-2024"), target_conn="env:TARGET", **of
    )


MISTAKES = [
    new("a column of what is new is misspelt", "did you mean 'id'", column="idd"),
    new("a column of what is new that is a text", "number|time", column="name"),
    new("an overlap of an append", "merge", column="id", overlap=10),
    new("a time's overlap of a number", "number", column="id", overlap=dt.timedelta(hours=1),
        job={"write_disposition": "merge"}),
    new("what is new of a replacement", "'append' or 'merge'", column="id",
        job={"write_disposition": "replace"}),
    new("a start that is no number", "start=1000", column="id", start="yesterday"),
    new("a start that is no time", "start='2024-01-31'", column="since", start="yesterday",
        job=SINCE),
    new("a word for what is in progress", "'wait' or 'ignore'", column="id", in_progress="skip"),
    call("an option of what is new is misspelt", "colum", "did you mean 'column'",
        lambda _: Incremental(colum="id"), given='Incremental(colum="id")'),
    call("a job that waits for one that is not there", "depends_on", "did you mean 'customers'",
        lambda _: flow(one(), one("orders", depends_on=("custmers",))),
        given='FlowJob(name="orders", depends_on=("custmers",), …)'),
    call("a job that waits for itself", "depends_on", "take one out",
        lambda _: flow(one(depends_on=("customers",))),
        given='FlowJob(name="customers", depends_on=("customers",), …)'),
    call("a text of jobs to wait for", "depends_on", "list",
        lambda _: flow(one(), one("orders", depends_on="customers")),
        given='FlowJob(name="orders", depends_on="customers", …)'),
    call("two jobs of one name", "name", "its own", lambda _: flow(one(), one()),
        given='Flow(jobs=(FlowJob(name="customers", …), FlowJob(name="customers", …)))'),
    call("a flow without jobs", "jobs", "at least one", lambda _: flow(), given="Flow(jobs=())"),
    call("an option of a flow's job is misspelt", "dependson", "did you mean 'depends_on'",
        lambda _: one(dependson=("a",)), given='FlowJob(dependson=("a",), …)'),
    call("a run that nobody knows", "nightly-2024", "status|run_id", with_run,
        given='processor.resume("nightly-2024", target_conn="env:TARGET")'),
    call("a run of a flow that nobody knows", "nightly-2024", "status",
        lambda _: ExecutionEngine(progress=False).resume("nightly-2024", ledger_conn="env:TARGET"),
        given='engine.resume("nightly-2024", ledger_conn="env:TARGET")'),
    call("a run of another job", "run_id", "new run_id|another", lambda shop: other_job(shop),
        given='run(job.evolve(run_id="done"))  # "done" is the run of another query'),
    call("a job in place of a flow's job", "jobs", "FlowJob", lambda _: flow(MapperJob(**BASE)),
        given="Flow(jobs=(MapperJob(…),))"),
    call("a name in place of a job", "job", "MapperJob",
        lambda _: flow(FlowJob(name="customers", job="customers")),
        given='FlowJob(name="customers", job="customers")'),
    call("no jobs at a time", "max_parallel_jobs", "at least 1",
        lambda _: ExecutionEngine(max_parallel_jobs=0),
        given="ExecutionEngine(max_parallel_jobs=0)"),
    call("a job in place of a flow", "flow", "write Flow",
        lambda _: ExecutionEngine(progress=False).run(MapperJob(**BASE)),
        given="ExecutionEngine().run(job)"),
    new("an overlap below nothing", "at least 0", column="id", overlap=-1,
        job={"write_disposition": "merge"}),
    new("a wait as a text", "seconds", column="id", commit_wait="5s"),
    call("a column's name in place of what is new", "incremental", "Incremental",
        lambda _: flow(one(incremental="id")), given='FlowJob(incremental="id", …)'),
    call("a run without its flow", "flow", "give the flow", lambda shop: without_flow(shop),
        given='engine.resume("f9", ledger_conn="env:TARGET")'),
]  # fmt: skip


def other_job(shop: Shop) -> Any:
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    first = MapperJob(
        **{
            **BASE,
            "source_sql": "SELECT id, name, city FROM sales.customers WHERE id < 0",
            "run_id": "done",
        }
    )
    processor.run(first).raise_for_status()
    return processor.run(MapperJob(**BASE, run_id="done"))


def without_flow(shop: Shop) -> Any:
    none = {"source_sql": "SELECT id, name, city FROM sales.customers WHERE id < 0"}
    engine = ExecutionEngine(progress=False)
    engine.run(Flow(name="weekly", jobs=(one(job=none),), run_id="f9")).raise_for_status()
    return engine.resume("f9", ledger_conn="env:TARGET")
