"""``check`` and ``plan``, which move no row."""

from __future__ import annotations

from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.about import settings_of
from mapper_dask.cli.reply import DONE, USAGE, Reply, plain
from mapper_dask.cli.tables import fitted, table
from mapper_dask.errors import MapperError
from mapper_dask.rendering import counted

Changes = tuple[tuple[str, Any], ...]


@click.command(
    "check",
    epilog='\b\nJSON: {"file", "ok", "jobs": [name],\n'
    '       "findings": [{"job", "level": "error" or "note", "field", "message"}]}',
)
@click.argument("file", type=parameters.FilePath())
@parameters.several(parameters.jobs, parameters.settings, parameters.common)
def check(
    file: str, names: tuple[str, ...], changes: Changes, *, as_json: bool, debug: bool
) -> Reply:
    """Check all that a run checks before a row is moved, and show every problem.

    Connections, privileges, the ledger, queries and how they are cut, columns, types, functions:
    of each job, not only the first. Nothing is changed. Exit code 2 if there is a problem.
    """
    del as_json, debug
    from mapper_dask import jobfile

    job_file = jobfile.read(file)
    from mapper_dask.cli.checks import findings_of

    known = settings_of(job_file, changes)
    flow = job_file.flow(only=names, settings=known).validated()
    found = findings_of(flow, known)
    errors = [finding for finding in found if finding.level == "error"]
    good = len(flow.jobs) - len({finding.job for finding in errors if finding.job})
    rows = [(f.job or "flow", f.level, f.field, f.message) for f in found]
    parts = [table(("job", "level", "field", "message"), rows)] if rows else []
    jobs = f"{good:,} of {counted(len(flow.jobs), 'job')} can run"
    parts.append(f"{jobs}; {counted(len(errors), 'problem')}")
    data = {
        "file": file,
        "ok": not errors,
        "jobs": [job.name for job in flow.jobs],
        "findings": found,
    }
    return Reply(data, "\n\n".join(parts), USAGE if errors else DONE)


@click.command(
    "plan",
    epilog='\b\nJSON: {"file", "output", "jobs": [{"job", "sql", "columns", "keys", "strategy",\n'
    '       "chunk_size", "total_rows", "reason", "consistent", "target", "warnings",\n'
    '       "wire", "incremental", "incremental_notes",\n'
    '       "chunks": [{"chunk_id", "kind", "lower", "upper", "offset", "limit",\n'
    '       "estimated_rows"}]}]}',
)
@click.argument("file", type=parameters.FilePath())
@parameters.several(
    parameters.jobs,
    click.option("--output", "-o", type=parameters.FilePath(), metavar="PLAN",
                 help="Save the plans; `mapper-dask run PLAN` runs exactly their chunks."),
    parameters.settings,
    parameters.common,
)  # fmt: skip
def plan(
    file: str, names: tuple[str, ...], output: str | None, changes: Changes, *,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Show how each job's query is cut into chunks, with notes on its run.

    A saved plan is refused if the job, or the columns of its query, differ from the plan's. An
    incremental job is planned when it runs: only then its new rows are known.
    """
    del as_json, debug
    from mapper_dask import jobfile

    job_file = jobfile.read(file)
    flow = job_file.flow(only=names, settings=settings_of(job_file, changes)).validated()
    plans = {job.name: _planned(job) for job in flow.jobs}
    notes = {job.name: _notes(job) for job in flow.jobs}
    if output is not None:
        _save(output, job_file, flow, plans, dict(changes))
    data = {
        "file": file,
        "output": output,
        "jobs": [_data(job, plans[job.name], notes[job.name]) for job in flow.jobs],
    }
    texts = [_text(job, plans[job.name], notes[job.name]) for job in flow.jobs]
    text = "\n\n".join([*texts, *([f"saved in {output}"] if output else [])])
    return Reply(data, fitted(text))


def _planned(job: Any) -> Any:
    from mapper_dask.plan.chunk_manager import ChunkManager

    try:
        made = ChunkManager().plan(job.job)
    except MapperError as error:
        message = f"job {job.name!r}: {error}"
        raise type(error)(message, **{**error.details, "job": job.name}) from None
    return made if job.incremental is None else made.evolve(again="")  # each run reads new rows


def _notes(job: Any) -> tuple[str, ...]:
    """Return notes on how an incremental job's new rows are identified."""
    if job.incremental is None:
        return ()
    from mapper_dask.flows import watermarks

    later = "incremental: of these it reads what is new, and is cut when it runs"
    return (later, *watermarks.check(job))


def _text(job: Any, made: Any, notes: tuple[str, ...]) -> str:
    head, _, rest = str(made).partition("\n")
    lines = "".join(f"\n  note       {note}" for note in notes)
    return f"{head} of {job.name}\n{rest}{lines}"


def _data(job: Any, made: Any, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "job": job.name,
        **made.to_json(),
        "wire": made.transport,
        "incremental": job.incremental is not None,
        "incremental_notes": notes,
        "chunks": [plain(chunk.to_json()) for chunk in made.chunks],
    }


def _save(
    output: str, job_file: Any, flow: Any, plans: dict[str, Any], changes: dict[str, Any]
) -> None:
    from mapper_dask.cli.plan_files import PlanFile, relative

    saved = {
        job.name: None if job.incremental else _saved(job.job, plans[job.name]) for job in flow.jobs
    }
    PlanFile(
        job_file.path,
        relative(job_file.directory, output),
        job_file.document,
        saved,
        changes,
    ).save(output)


def _saved(mapper: Any, made: Any) -> dict[str, Any]:
    from mapper_dask.ledger.stored_job import marks
    from mapper_dask.plan.saved_plan import SavedPlan
    from mapper_dask.resolved_job import resolved

    job = resolved(mapper)
    return SavedPlan.of(made, marks(job.job, job.source)).to_json()


COMMANDS = {"check": check, "plan": plan}
