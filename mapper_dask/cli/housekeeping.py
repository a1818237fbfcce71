"""``clean`` removes old runs and leftovers of killed ones; ``rewind`` reads lost rows again."""

from __future__ import annotations

from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.ledgers import ledger_of
from mapper_dask.cli.named import require_flow
from mapper_dask.cli.reply import Reply
from mapper_dask.cli.states import how, moment, table_name
from mapper_dask.cli.tables import fitted, table
from mapper_dask.rendering import counted

JSON = """\b
JSON: {"dry_run", "runs": [{"run_id", "state", "target", "started_at", "ended_at", …}],
       "flows": [run_id], "tables": [name], "folders": [path], "kept"}
"""


@click.command("clean", epilog=JSON)
@parameters.several(
    parameters.ledger,
    click.option("--file", "-f", type=parameters.FilePath(), metavar="FILE", help="Or a job file."),
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
    """Remove old runs from a ledger, and staging tables that no run needs any more.

    Folders on this machine, below the setting spool-folder, with rows that no run needs are
    removed, too. Rows that runs have loaded stay in their targets. The run with an incremental
    job's last window stays, however old; so does every run that can be resumed, unless asked.
    """
    del as_json, debug
    from mapper_dask.ledger import cleanup as housekeeping
    from mapper_dask.settings import resolve

    cleaned = housekeeping.clean(
        ledger_of(ledger, file),
        older_than=older_than,
        unfinished=unfinished,
        dry_run=dry_run,
        spool_folder=resolve().value("spool-folder"),
    )
    heads = ("run", "state", "into", "ended, UTC", "chunks")
    rows = [
        (r.run_id, how(r), table_name(r.target), moment(r.ended_at), r.chunks) for r in cleaned.runs
    ]
    names = [
        *(f"staging table {name}" for name in cleaned.tables),
        *(f"folder {name}" for name in cleaned.folders),
        *(f"flow run {name}" for name in cleaned.flows),
        _sum(cleaned, "would remove" if dry_run else "removed"),
    ]
    parts = [table(heads, rows, stacked=True) if rows else "", *map(fitted, names)]
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
    flows = (
        f"{len(cleaned.flows):,} {'run of a flow' if len(cleaned.flows) == 1 else 'runs of flows'}"
    )
    stay = "stays" if cleaned.kept == 1 else "stay"
    return (
        f"{verb} {counted(len(cleaned.runs), 'run')}, {flows} and "
        f"{counted(len(cleaned.tables), 'staging table')}; {counted(cleaned.kept, 'run')} {stay}"
    )


@click.command("rewind", epilog='\b\nJSON: {"run_id", "jobs": [name]}')
@click.argument("run_id")
@parameters.several(
    parameters.ledger,
    click.option("--file", "-f", type=parameters.FilePath(), metavar="FILE", help="Or a job file."),
    parameters.common,
)
def rewind(
    run_id: str, ledger: str | None, file: str | None, *, as_json: bool, debug: bool
) -> Reply:
    """Let a flow's incremental jobs read again the rows of a run, and of later ones.

    For rows that are gone from a target: the next run begins where this one began. If they were
    appended, first delete those that are left, which would be doubled.
    """
    del as_json, debug
    from mapper_dask.flows.execution_engine import ExecutionEngine

    conn = ledger_of(ledger, file)
    require_flow(conn, run_id)
    jobs = ExecutionEngine(progress=False).rewind(run_id, ledger_conn=conn)
    text = (
        f"the next run of {', '.join(jobs)} begins where run {run_id} began. What is left in the "
        "target of its rows and of later ones must be deleted first: an append would double them"
    )
    return Reply({"run_id": run_id, "jobs": jobs}, text)


COMMANDS = {"clean": clean, "rewind": rewind}
