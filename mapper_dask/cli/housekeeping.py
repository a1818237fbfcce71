"""``clean``: old runs and what killed ones have left; ``rewind``: rows that are gone, once more."""

from __future__ import annotations

from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.ledgers import ledger_of
from mapper_dask.cli.reply import Reply, table

JSON = """\b
JSON: {"dry_run", "runs": [{"run_id", "state", "target", "started_at", "ended_at", …}],
       "flows": [run_id], "tables": [name], "folders": [path], "kept"}
"""


@click.command("clean", epilog=JSON)
@parameters.several(
    parameters.ledger,
    click.option("--file", "-f", type=parameters.File(), metavar="FILE", help="Or a job file."),
    click.option(
        "--older-than",
        type=parameters.Duration(),
        required=True,
        metavar="TIME",
        help="Since anything of a run began or ended, such as 30d or 12h.",
    ),
    click.option(
        "--unfinished",
        is_flag=True,
        help="Also runs that could be resumed; they cannot afterwards.",
    ),
    click.option("--dry-run", is_flag=True, help="Only say what would be removed."),
    parameters.common,
)
def clean(
    ledger: str | None, file: str | None, older_than: float, *, unfinished: bool, dry_run: bool,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Remove old runs from a ledger, and staging tables that nobody will come back for.

    So go folders of this machine, below the setting spool-folder, with rows that no run needs.

    What runs have loaded stays in their targets. The run that holds how far an incremental job
    has come stays, however old; so does everything that can be resumed, unless asked.
    """
    del as_json, debug
    from mapper_dask.run import housekeeping
    from mapper_dask.settings import resolve

    cleaned = housekeeping.clean(
        ledger_of(ledger, file),
        older_than=older_than,
        unfinished=unfinished,
        dry_run=dry_run,
        spool_folder=resolve().value("spool-folder"),
    )
    rows = [(run.run_id, run.state, run.target, run.ended_at, run.chunks) for run in cleaned.runs]
    parts = [
        table(("run", "state", "target", "ended", "chunks"), rows) if rows else "",
        *(f"staging table {name}" for name in cleaned.tables),
        *(f"folder {name}" for name in cleaned.folders),
        *(f"flow run {name}" for name in cleaned.flows),
        _sum(cleaned, "would remove" if dry_run else "removed"),
    ]
    data = {
        "dry_run": dry_run,
        "runs": cleaned.runs,
        "flows": cleaned.flows,
        "tables": cleaned.tables,
        "folders": cleaned.folders,
        "kept": cleaned.kept,
    }
    return Reply(data, "\n".join(filter(None, parts)))


def _sum(cleaned: Any, verb: str) -> str:
    return (
        f"{verb} {len(cleaned.runs):,} runs, {len(cleaned.flows):,} runs of flows and "
        f"{len(cleaned.tables):,} staging tables; {cleaned.kept:,} runs stay"
    )


@click.command("rewind", epilog='\b\nJSON: {"run_id", "jobs": [name]}')
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    click.option("--file", "-f", type=parameters.File(), metavar="FILE", help="Or a job file."),
    parameters.common,
)
def rewind(
    run_id: str, ledger: str | None, file: str | None, *, as_json: bool, debug: bool
) -> Reply:
    """Let a flow's incremental jobs read again what they have read in a run, and later.

    For rows that are gone from a target: the next run begins where this one began. Delete what is
    left of these rows first where they were appended: it would be doubled.
    """
    del as_json, debug
    from mapper_dask.run.execution_engine import ExecutionEngine

    jobs = ExecutionEngine(progress=False).rewind(run_id, ledger_conn=ledger_of(ledger, file))
    text = (
        f"the next run of {', '.join(jobs)} begins where run {run_id} began. What is left in the "
        "target of its rows and of later ones must be deleted first: an append would double them"
    )
    return Reply({"run_id": run_id, "jobs": jobs}, text)


COMMANDS = {"clean": clean, "rewind": rewind}
