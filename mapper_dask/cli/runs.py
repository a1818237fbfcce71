"""``status``, ``cancel`` and ``reconcile``: commands on runs in the ledger."""

from __future__ import annotations

import time
from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.ledgers import as_given, ledger_of
from mapper_dask.cli.named import flow_of_run, named, own_name
from mapper_dask.cli.reply import CANCELLED, DONE, FAILED, PARTIAL, Reply
from mapper_dask.cli.states import how, moment, state_of, table_name, took
from mapper_dask.cli.tables import fitted, table
from mapper_dask.rendering import lasted

BETWEEN_LOOKS = 2.0
"""Seconds between two queries of ``status --watch``."""

file_option = click.option(
    "--file", "-f", type=parameters.FilePath(), metavar="FILE", help="Or the job file."
)

RUN_JSON = """\b
JSON: {"flows": [{"run_id", "name", "state", "started_at", "ended_at"}],
       "runs": [{"run_id", "state", "target", "write_disposition", "started_at", "ended_at",
                 "chunks", "chunks_done", "chunks_failed", "rows_read", "rows_loaded",
                 "rows_rejected", "quiet_seconds", "staging"}]}
With RUN_ID the run, or {"flow", "jobs": [{"name", "state", "run_id", "rows", "seconds",
"low", "high", "error", "warnings"}]}; both also "errors".
"""


@click.command("status", epilog=RUN_JSON)
@click.argument("run_id", required=False)
@parameters.several(
    parameters.ledger,
    file_option,
    click.option("--watch", is_flag=True, help="Look again until the run has ended."),
    click.option("--limit", type=parameters.Count(min=1), default=20, show_default=True,
                 help="Runs listed."),
    parameters.common,
)  # fmt: skip
def status(
    run_id: str | None, ledger: str | None, file: str | None, limit: int, *, watch: bool,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Show runs and flows with their states and counts; or one of them.

    The exit code of one run is that of its state: 0 succeeded or running, 1 failed, 3 partial,
    130 cancelled.
    """
    del debug
    target = ledger_of(ledger, file)
    if run_id is None:
        return _listed(target, limit)
    reply, running = _looked_at(target, run_id)
    while watch and running:
        if not as_json:
            click.echo(reply.text, err=True)
        time.sleep(BETWEEN_LOOKS)
        reply, running = _looked_at(target, run_id)
    return reply


def _listed(target: Any, limit: int) -> Reply:
    from mapper_dask.ledger.cleanup import every_run
    from mapper_dask.ledger.flows import all_runs

    every = every_run(target)
    runs, flows = every[:limit], all_runs(target)[:limit]
    flow_rows = [
        (f.run_id, f.name, state_of(f.state.value, aside=_aside(f.run_id, every)),
         moment(f.started_at), took(f.started_at, f.ended_at))
        for f in flows
    ]  # fmt: skip
    run_rows = [
        (r.run_id, how(r), table_name(r.target), f"{r.chunks_done:,}/{r.chunks:,}", r.rows_loaded,
         moment(r.started_at), took(r.started_at, r.ended_at))
        for r in runs
    ]  # fmt: skip
    parts = []
    if flow_rows:
        heads = ("flow run", "flow", "state", "started, UTC", "took")
        parts.append(table(heads, flow_rows, stacked=True))
    if run_rows:
        names = ("run", "state", "into", "chunks", "loaded", "started, UTC", "took")
        parts.append(table(names, run_rows, stacked=True))
    data = {"flows": [_flow(flow) for flow in flows], "runs": runs}
    return Reply(data, "\n\n".join(parts) or "the ledger holds no run")


def _aside(flow_run_id: str, runs: list[Any]) -> int:
    """Return the number of rows that a flow's run has rejected, of those in this ledger."""
    return sum(run.rows_rejected for run in runs if run.run_id.startswith(f"{flow_run_id}."))


def _flow(flow: Any) -> dict[str, Any]:
    return {
        "run_id": flow.run_id,
        "name": flow.name,
        "state": flow.state,
        "started_at": flow.started_at.isoformat(),
        "ended_at": flow.ended_at and flow.ended_at.isoformat(),
    }


def _looked_at(target: Any, run_id: str) -> tuple[Reply, bool]:
    """Return the status of one run, and whether it is under way."""
    from mapper_dask.ledger.cleanup import every_run
    from mapper_dask.ledger.unknown_runs import unknown

    flow = flow_of_run(target, run_id)
    if flow is not None:
        return _flow_status(target, flow)
    name = own_name(target, run_id)
    run = next((run for run in every_run(target) if run.run_id == name), None)
    if run is None:
        raise unknown(target, run_id)
    return _run_status(target, run)


def _run_status(target: Any, run: Any) -> tuple[Reply, bool]:
    from mapper_dask.cli.reply import plain
    from mapper_dask.ledger.runs import RunLedger

    ledger = RunLedger(target, run.run_id)
    chunks = ledger.chunks()
    known = [result for _, result in chunks]
    errors = [f"chunk {r.chunk_id} {r.bounds}: {r.error}" for r in known if r.error]
    lines = [
        f"run {run.run_id} {how(run)}",
        f"  into      {table_name(run.target)}",
        f"  chunks    {run.chunks_done:,} of {run.chunks:,}, {run.chunks_failed:,} failed",
        f"  read      {run.rows_read:,}",
        f"  loaded    {run.rows_loaded:,}",
        f"  rejected  {run.rows_rejected:,}",
        f"  started   {moment(run.started_at)} UTC",
        f"  ended     {_ended(run)}",
        *(f"  read once {why}" for why in _why_once(ledger, chunks)),
        *(f"  error     {error.splitlines()[0]}" for error in errors[:3]),
    ]
    partial = run.rows_rejected or run.chunks_failed
    code = {"RUNNING": DONE, "SUCCEEDED": PARTIAL if partial else DONE, "CANCELLED": CANCELLED}
    data = {**plain(run), "errors": errors}
    return Reply(
        data, fitted("\n".join(lines)), code.get(run.state, FAILED)
    ), run.state == "RUNNING"


def _ended(run: Any) -> str:
    if run.ended_at is None:
        return ""
    return f"{moment(run.ended_at)} UTC, after {took(run.started_at, run.ended_at)}"


def _why_once(ledger: Any, chunks: Any) -> list[str]:
    """Return why the query of a run was read once; empty if it was read in chunks."""
    if not any(chunk.spooled is not None for chunk, _ in chunks):
        return []
    stored = ledger.find()
    return [] if stored is None else [stored.plan.reason]


def _flow_status(target: Any, flow: Any) -> tuple[Reply, bool]:
    from mapper_dask.ledger.cleanup import every_run
    from mapper_dask.ledger.flows import FlowLedger

    jobs = FlowLedger(target, flow.run_id).jobs()
    runs = every_run(target)
    aside = {run.run_id: run.rows_rejected for run in runs}
    rows = [
        (j.name, state_of(j.state.value, aside=aside.get(j.run_id or "", 0)), j.rows,
         "" if j.seconds is None else lasted(j.seconds),
         j.error.splitlines()[0] if j.error else "")
        for j in jobs
    ]  # fmt: skip
    state = state_of(flow.state.value, aside=_aside(flow.run_id, runs))
    since = f"since {moment(flow.started_at)} UTC"
    head = fitted(f"flow {flow.name} {state}, run {flow.run_id}, {since}")
    text = f"{head}\n{table(('job', 'state', 'rows', 'took', 'error'), rows)}"
    states = {job.state.value for job in jobs}
    code = {"RUNNING": DONE, "SUCCEEDED": DONE, "CANCELLED": CANCELLED}.get(
        flow.state.value, FAILED
    )
    if code == FAILED and states <= {"SUCCEEDED", "PARTIAL"}:
        code = PARTIAL
    errors = [f"{job.name}: {job.error}" for job in jobs if job.error]
    data = {"flow": _flow(flow), "jobs": [_job(job) for job in jobs], "errors": errors}
    return Reply(data, text, code), flow.state.value == "RUNNING"


def _job(job: Any) -> dict[str, Any]:
    names = ("name", "state", "run_id", "rows", "seconds", "low", "high", "error")
    return {**{name: getattr(job, name) for name in names}, "warnings": job.notes}


@click.command("cancel", epilog='\b\nJSON: {"run_id", "cancelled": [run_id], "state"}')
@click.argument("run_id")
@parameters.several(parameters.ledger, file_option, parameters.source, parameters.common)
def cancel(
    run_id: str, ledger: str | None, file: str | None, source: str | None, *,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Stop a run, or a flow, of any process at once; `resume` finishes it.

    Once this returns nothing of it commits. A run that has ended does not change.
    """
    del as_json, debug
    from mapper_dask.cli.ledgers import flow_of
    from mapper_dask.flows.execution_engine import ExecutionEngine

    target = ledger_of(ledger, file)
    if flow_of_run(target, run_id) is None:
        return _one_cancelled(target, run_id, source)
    flow = None if file is None else flow_of(file)
    ended = ExecutionEngine(progress=False).cancel(run_id, ledger_conn=target, flow=flow)
    found = flow_of_run(target, run_id)
    state = None if found is None else found.state.value
    return _cancelled(run_id, list(ended), state, flow=True)


def _one_cancelled(target: Any, name: str, source: str | None) -> Reply:
    from mapper_dask import ParallelProcessor
    from mapper_dask.ledger.cleanup import every_run

    run_id = own_name(target, name)
    ParallelProcessor(progress=False).cancel(run_id, target_conn=target, source_conn=source)
    state = next((run.state for run in every_run(target) if run.run_id == run_id), None)
    return _cancelled(name, [run_id] if state == "CANCELLED" else [], state)


def _cancelled(name: str, ended: list[str], state: str | None, *, flow: bool = False) -> Reply:
    text = f"{', '.join(ended) or 'nothing'} cancelled"
    if flow:
        runs = f", and of its jobs' runs {', '.join(ended)}" if ended else ""
        text = f"flow's run {name} is {state}{runs}"
    return Reply({"run_id": name, "cancelled": ended, "state": state}, text)


@click.command(
    "reconcile",
    epilog='\b\nJSON: {"run_id", "matches", "same_snapshot", "target_rows",\n'
    '       "repaired": [chunk_id], "chunks": [{"chunk_id", "bounds", "committed",\n'
    '       "source_rows", "read_rows", "loaded_rows", "target_rows", "own_rows",\n'
    '       "source_sum", "target_sum", "differs"}]}\n'
    'With the run of a flow {"run_id", "matches", "runs": [such a one a job]}',
)
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    file_option,
    parameters.source,
    parameters.trust,
    click.option("--checksum", is_flag=True, help="Compare contents, not only counts."),
    click.option("--repair", is_flag=True, help="Load the chunks that differ again."),
    parameters.common,
)
def reconcile(
    run_id: str, ledger: str | None, file: str | None, source: str | None, *,
    trust_ledger: bool, checksum: bool, repair: bool, as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Count a run's rows again, chunk by chunk: in source, ledger and target.

    Exit code 1 if the numbers differ.
    """
    del as_json, debug
    from mapper_dask import ParallelProcessor

    meant = named(ledger_of(ledger, file), run_id, file)
    replies = []
    for run in meant.runs:
        given = as_given(file, run.target, run.run_id, source, trust_ledger=trust_ledger)
        found = ParallelProcessor(progress=False).reconcile(
            run.run_id, target_conn=run.target, checksum=checksum, repair=repair, **given
        )
        replies.append(_reconciled(run, found))
    if meant.flow is None:
        return replies[0]
    text = "\n\n".join(reply.text for reply in replies)
    matches = all(reply.data["matches"] for reply in replies)
    data = {"run_id": run_id, "matches": matches, "runs": [reply.data for reply in replies]}
    return Reply(data, text, DONE if matches else FAILED)


def _reconciled(run: Any, found: Any) -> Reply:
    """Return the reply of one run's reconciliation."""
    from mapper_dask.cli.reply import plain

    data = {
        "run_id": run.run_id,
        "matches": found.matches,
        "same_snapshot": found.same_snapshot,
        "target_rows": found.target_rows,
        "repaired": found.repaired,
        "chunks": [{**plain(check), "differs": check.differs} for check in found.checks],
    }
    head = "" if run.job is None else f"job {run.job}: "
    return Reply(data, fitted(f"{head}{found}"), DONE if found.matches else FAILED)


COMMANDS = {"status": status, "cancel": cancel, "reconcile": reconcile}
