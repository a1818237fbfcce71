"""``report``: the outcome of a run or a flow, as text or as a page."""

from __future__ import annotations

from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.ledgers import ledger_of
from mapper_dask.cli.named import flow_of_run, own_name
from mapper_dask.cli.reply import Reply, plain, write_file
from mapper_dask.cli.tables import fitted
from mapper_dask.errors import RunNotFoundError

JSON = """\b
JSON: {"run_id", "output", "runs": [{"title", "state", "target", "chunks_total",
       "chunks_succeeded", "rows_read", "rows_loaded", "rows_rejected", "consistent",
       "warnings", "errors", "rejects": [[rows, stage, reason]],
       "chunks": [{"chunk_id", "bounds", "state", "rows_read", "rows_out", "rows_loaded",
                   "rows_rejected", "attempts", "worker", "processing_time",
                   "begun", "ended", …}]}]}
"""


@click.command("report", epilog=JSON)
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    click.option(
        "--file", "-f", type=parameters.FilePath(), metavar="FILE", help="Or the job file."
    ),
    click.option(
        "--output",
        "-o",
        type=parameters.FilePath(),
        metavar="PATH",
        help="Write a self-contained HTML page with a picture of the chunks over time.",
    ),
    parameters.common,
)
def report(
    run_id: str, ledger: str | None, file: str | None, output: str | None, *,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Show the outcome of a run, or of a flow's jobs: counts, warnings, errors, rejects."""
    del as_json, debug
    from mapper_dask.cli.page import page

    pages = _pages(ledger_of(ledger, file), run_id)
    if output is not None:
        write_file(output, page(f"mapper_dask run {run_id}", pages))
    data = {"run_id": run_id, "output": output, "runs": [_data(run) for run in pages]}
    text = fitted("\n\n".join(_text(run) for run in pages))
    return Reply(data, f"{text}\n\nwritten to {output}" if output else text)


def _pages(target: Any, run_id: str) -> list[Any]:
    """Return the facts of a run, or of the runs of a flow's jobs."""
    from mapper_dask.ledger.flows import FlowLedger

    if flow_of_run(target, run_id) is None:
        name = own_name(target, run_id)
        return [_page(target, name, name)]
    jobs = FlowLedger(target, run_id).jobs()
    return [_job_page(target, job) for job in jobs]


def _job_page(target: Any, job: Any) -> Any:
    """Return the facts of a job; its own run may be in another database's ledger."""
    from mapper_dask.cli.page import RunPage
    from mapper_dask.parallel_result import ParallelProcessingResult

    try:
        if job.run_id is not None:
            return _page(target, job.run_id, f"job {job.name}")
    except RunNotFoundError:
        pass
    nothing = ParallelProcessingResult(())
    return RunPage(f"job {job.name}", job.state.value, "", nothing, error=job.error or "")


def _page(target: Any, run_id: str, title: str) -> Any:
    from mapper_dask.cli.page import RunPage
    from mapper_dask.ledger import stored_runs
    from mapper_dask.ledger.cleanup import chunk_times
    from mapper_dask.ledger.runs import RunLedger

    stored = stored_runs.found(target, run_id)
    ledger = RunLedger(target, run_id)
    return RunPage(
        title,
        stored.state.value,
        stored.plan.target or "",
        stored_runs.folded(stored, [result for _, result in ledger.chunks()]),
        chunk_times(target, run_id),
        _reasons([reject for _, reject in ledger.rejects()]),
        stored.plan.sql,
    )


def _reasons(rejects: list[Any]) -> list[tuple[int, str, str]]:
    counts: dict[tuple[str, str], int] = {}
    for reject in rejects:
        counts[reject.stage, reject.reason] = counts.get((reject.stage, reject.reason), 0) + 1
    return sorted(((n, stage, why) for (stage, why), n in counts.items()), reverse=True)


def _text(run: Any) -> str:
    lines = str(run.result).splitlines()
    lines[0] = f"{run.title}: {run.state}, into {run.target or 'nowhere'}"
    lines = [line for line in lines if not line.lstrip().startswith(("time ", "run "))]
    lines += [f"  error: {run.error}"] if run.error else []
    lines += [f"  rejected: {rows:,} in {stage}: {why}" for rows, stage, why in run.rejects]
    return "\n".join(lines)


def _data(run: Any) -> dict[str, Any]:
    result = run.result
    chunks = [
        {**plain(chunk), **dict(zip(("begun", "ended"), run.times.get(chunk.chunk_id, (None, None)),
                                    strict=True))}
        for chunk in result.chunk_results
    ]  # fmt: skip
    return {
        "title": run.title,
        "state": run.state,
        "target": run.target,
        "chunks_total": result.chunks_total,
        "chunks_succeeded": result.chunks_succeeded,
        "rows_read": result.total_rows_processed,
        "rows_loaded": sum(chunk.rows_loaded for chunk in result.chunk_results),
        "rows_rejected": result.total_rows_rejected,
        "consistent": result.consistent,
        "warnings": result.warnings,
        "errors": [*([run.error] if run.error else []), *result.errors],
        "rejects": run.rejects,
        "chunks": chunks,
    }


COMMANDS = {"report": report}
