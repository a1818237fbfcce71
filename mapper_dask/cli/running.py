"""``run`` and ``resume``, which move rows."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mapper_dask.cli import parameters
from mapper_dask.cli.about import settings_of
from mapper_dask.cli.ledgers import as_given, flow_ledger, ledger_of
from mapper_dask.cli.named import flow_of_run, own_name
from mapper_dask.cli.reply import CANCELLED, DONE, FAILED, PARTIAL, USAGE, Reply, plain
from mapper_dask.cli.tables import fitted
from mapper_dask.errors import ConfigurationError

Changes = tuple[tuple[str, Any], ...]

RESULT = """\b
JSON: {"flow", "run_id", "state", "seconds",
       "jobs": [{"name", "state", "run_id", "error", "low", "high", "rows", "seconds",
                 "rows_read", "rows_loaded", "rows_failed", "rows_rejected",
                 "chunks", "chunks_done", "chunks_failed", "consistent", "warnings", "errors"}]}
"state" is done, partial, failed, cancelled, or refused (nothing was moved).
"""

means = parameters.several(
    click.option(
        "--scheduler",
        type=parameters.Address(),
        metavar="ADDRESS",
        help="Dask scheduler, such as tcp://host:8786.",
    ),
    click.option("--workers", type=parameters.Count(min=1), metavar="N", help="Worker processes."),
    click.option("--sequential", is_flag=True, help="One job and one chunk after the other, here."),
    parameters.settings,
    click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
    parameters.common,
)


@click.command("run", epilog=RESULT)
@click.argument("file", type=parameters.FilePath(), metavar="FILE|PLAN")
@parameters.jobs
@click.option("--run-id", metavar="NAME", help="Name of the run; one in the ledger is resumed.")
@means
def run(
    file: str, names: tuple[str, ...], run_id: str | None, scheduler: str | None,
    workers: int | None, changes: Changes, *, sequential: bool, quiet: bool,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Run the jobs of a job file, or exactly the chunks of a saved plan.

    Progress goes to standard error. Ctrl-C and SIGTERM cancel: loads are broken off, and `resume`
    finishes the run. Exit code 3 if rows were rejected or chunks were passed over.
    """
    del as_json, debug
    options = _options(scheduler, workers, changes, sequential=sequential, quiet=quiet)
    job_file, plans, planned = _read(file)
    known = settings_of(job_file, {**planned, **options})
    flow = job_file.flow(only=names or tuple(plans or ()), run_id=run_id, settings=known)
    if sequential:
        flow = _one_by_one(flow)
    with _resumable(*_place_of(file, flow)):
        return _moved(flow, known, {k: p for k, p in (plans or {}).items() if p is not None})


@contextlib.contextmanager
def _resumable(*words: str) -> Iterator[None]:
    """Let an interruption name the command that resumes, with these words at its end."""
    from mapper_dask.interrupts import worded

    with worded(lambda run_id: shlex.join(["mapper-dask", "resume", run_id, *words])) as wording:
        try:
            yield
        except KeyboardInterrupt as error:
            if wording.begun:
                raise
            raise KeyboardInterrupt(*error.args or (NOTHING,)) from None


NOTHING = "interrupted before anything began: nothing was moved, nothing is to be resumed"


def _place_of(file: str, flow: Any) -> tuple[str, ...]:
    """Return the words for ``resume`` that name a flow's ledger; it takes no plan for that."""
    from mapper_dask.cli import plan_files

    return _ledger_words(flow_ledger(flow)) if plan_files.is_plan(file) else (file,)


def _ledger_words(conn: Any) -> tuple[str, ...]:
    from mapper_dask.connections.reference import reference

    return () if conn is None else ("--ledger", reference(conn, "ledger").portable or "…")


def _read(file: str) -> tuple[Any, dict[str, Any] | None, dict[str, Any]]:
    """Return a job file; of a plan file, also the plans of its jobs, and its settings."""
    from mapper_dask import jobfile
    from mapper_dask.cli import plan_files

    if not plan_files.is_plan(file):
        return jobfile.read(file), None, {}
    found = plan_files.load(file)
    plans = {**dict.fromkeys(found.jobs), **found.plans()}
    return found.job_file_at(file), plans, dict(found.settings)


def _options(
    scheduler: str | None, workers: int | None, changes: Changes, *, sequential: bool, quiet: bool
) -> dict[str, Any]:
    """Return the options of a call as settings."""
    named = {"scheduler-address": scheduler, "max-workers": workers}
    options = {**dict(changes), **{key: value for key, value in named.items() if value is not None}}
    if sequential:
        options |= {"parallel": False, "max-parallel-jobs": 1}
    if quiet:
        options["progress"] = False
    return options


def _one_by_one(flow: Any) -> Any:
    from dataclasses import replace

    jobs = tuple(replace(job, parallel=False) for job in flow.jobs)
    return flow.evolve(jobs=jobs, max_parallel_jobs=1)


class Refusals:
    """A hook that gathers the errors of runs that were refused before a row was moved."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def run_refused(self, refused: Any) -> None:
        """Note the class of an error, with a database's SQLSTATE."""
        self.kinds.append(refused.error)

    def explain(self, failed: int) -> bool:
        """Return whether all jobs that failed were refused for what they ask."""
        return 0 < failed == len(self.kinds) and all(map(_is_asked, self.kinds))


_NOT_UNDERSTOOD = re.compile(r"DatabaseError (42\w{3}|ORA-009\d\d)")
"""What a database answers to a query that is wrong, or names what is not there."""


def _is_asked(kind: str) -> bool:
    """Return whether an error of that kind comes again however often a job is tried."""
    from mapper_dask import errors

    found = getattr(errors, kind.partition(" ")[0], Exception)
    return issubclass(found, ConfigurationError) or _NOT_UNDERSTOOD.match(kind) is not None


def _engine(known: Any, refusals: Refusals) -> Any:
    from mapper_dask.flows.execution_engine import ExecutionEngine

    shown = [known.value("progress"), refusals]
    return ExecutionEngine(settings=known, progress=shown, on_failure="return")


def _moved(flow: Any, known: Any, plans: dict[str, Any]) -> Reply:
    if flow_ledger(flow) is None:
        return _reply(_counted(flow, known, plans), Refusals())
    refusals = Refusals()
    return _reply(_engine(known, refusals).run(flow, plans=plans), refusals)


def _counted(flow: Any, known: Any, plans: dict[str, Any]) -> Any:
    """Run dry runs, which are in no ledger, one after the other."""
    from mapper_dask import ParallelProcessor
    from mapper_dask.flow import FlowResult, JobState

    results = []
    for job in flow.validated().jobs:
        processor = ParallelProcessor(
            job.max_workers,
            enable_parallel=None if job.parallel else False,
            on_failure="return",
            settings=known,
        )
        done = processor.run(job.job, plan=plans.get(job.name))
        state = JobState.SUCCEEDED if done.succeeded else JobState.FAILED
        results.append(_alone(job.name, None, state, done))
    seconds = sum(result.seconds or 0.0 for result in results)
    return FlowResult(flow.name, "dry run", tuple(results), seconds)


def _alone(name: str, run_id: str | None, state: Any, done: Any) -> Any:
    """Return the result of a run without a flow as that of a flow's job."""
    from mapper_dask.flow import FlowJobResult

    return FlowJobResult(
        name,
        state,
        run_id,
        done,
        next(iter(done.errors), None),
        rows=done.total_rows_successful,
        seconds=done.processing_time,
    )


def _reply(result: Any, refusals: Refusals) -> Reply:
    """Return the reply of a flow's result."""
    from mapper_dask.interrupts import command_to_resume

    code = _code(result)
    failed = [job for job in result.jobs if job.state.value == "FAILED"]
    begun = any(job.result is not None for job in result.jobs)
    if code == FAILED and not begun and refusals.explain(len(failed)):
        code = USAGE
    names = {DONE: "done", PARTIAL: "partial", CANCELLED: "cancelled", USAGE: "refused"}
    data = {
        "flow": result.name,
        "run_id": result.run_id,
        "state": names.get(code, "failed"),
        "seconds": result.seconds,
        "jobs": [_job(job) for job in result.jobs],
    }
    parts = [str(result)]
    parts += [
        f"{job.name}\n{job.result}" for job in result.jobs if job.result and _is_shown(job.result)
    ]
    text = fitted("\n\n".join(parts))
    if result.cancelled and (command := command_to_resume(result.run_id)):
        text += f"\nresume it: {command}"
    return Reply(data, text, code)


def _is_shown(result: Any) -> bool:
    return bool(result.warnings or result.errors or result.total_rows_rejected)


def _job(job: Any) -> dict[str, Any]:
    names = ("name", "state", "run_id", "error", "low", "high", "rows", "seconds")
    counts: dict[str, Any] = {name: plain(getattr(job, name)) for name in names}
    result = job.result
    if result is None:
        return {**counts, "warnings": list(job.warnings)}
    return {
        **counts,
        "rows_read": result.total_rows_processed,
        "rows_loaded": result.total_rows_successful,
        "rows_failed": result.total_rows_failed,
        "rows_rejected": result.total_rows_rejected,
        "chunks": result.chunks_total,
        "chunks_done": result.chunks_succeeded,
        "chunks_failed": result.chunks_failed,
        "consistent": result.consistent,
        "warnings": [*job.warnings, *result.warnings],
        "errors": list(result.errors),
    }


def _code(result: Any) -> int:
    """Return the exit code of a flow: the worst of its jobs', of which partial is the least."""
    states = {job.state.value for job in result.jobs}
    if "CANCELLED" in states:
        return CANCELLED
    if states - {"SUCCEEDED", "PARTIAL"}:
        return FAILED
    rejected = any(job.result and job.result.total_rows_rejected for job in result.jobs)
    return PARTIAL if "PARTIAL" in states or rejected else DONE


@click.command("resume", epilog=RESULT)
@click.argument("run_id")
@click.argument("file", type=parameters.FilePath(), required=False)
@parameters.ledger
@parameters.source
@parameters.trust
@means
def resume(
    run_id: str, file: str | None, ledger: str | None, source: str | None, scheduler: str | None,
    workers: int | None, changes: Changes, *, trust_ledger: bool, sequential: bool, quiet: bool,
    as_json: bool, debug: bool,
) -> Reply:  # fmt: skip
    """Finish a run or a flow that was killed, cancelled or has chunks left.

    Without FILE the job file is taken from the ledger, as it was when the run began. Its functions
    are then imported from the current folder only: change to the folder of the job file, or give
    the file. If others than you and its owner can write the ledger, nothing is taken from it
    without --trust-ledger: give the file.
    """
    del as_json, debug
    from mapper_dask.ledger.trust import require_trusted_flow

    options = _options(scheduler, workers, changes, sequential=sequential, quiet=quiet)
    conn = ledger_of(ledger, file)
    words = (*((file,) if file else ()), *(_ledger_words(conn) if ledger or not file else ()))
    words += ("--source", source) if source else ()
    with _resumable(*words, *(("--trust-ledger",) if trust_ledger else ())):
        stored = flow_of_run(conn, run_id)
        if stored is None:
            run_id = own_name(conn, run_id)
            given = as_given(file, conn, run_id, source, trust_ledger=trust_ledger)
            return _resumed_alone(run_id, conn, given, options)
        if file is None and not trust_ledger:
            require_trusted_flow(conn, run_id)
        return _resumed(run_id, conn, stored, file, options, sequential=sequential)


def _resumed(
    run_id: str, conn: Any, stored: Any, file: str | None, options: dict[str, Any], *,
    sequential: bool,
) -> Reply:  # fmt: skip
    """Finish a flow's run."""
    job_file = _kept(stored) if file is None else _read(file)[0]
    known = settings_of(job_file, options)
    flow = job_file.flow(only=_jobs_of(conn, run_id, job_file), settings=known)
    if sequential:
        flow = _one_by_one(flow)
    refusals = Refusals()
    engine = _engine(known, refusals)
    return _reply(engine.resume(run_id, ledger_conn=conn, flow=flow), refusals)


def _jobs_of(conn: Any, run_id: str, job_file: Any) -> tuple[str, ...]:
    """Return the jobs with which the run was begun."""
    from mapper_dask.ledger.flows import FlowLedger

    names = [job.name for job in FlowLedger(conn, run_id).jobs()]
    return tuple(name for name in names if name in job_file.jobs)


def _kept(stored: Any) -> Any:
    """Return the job file in the ledger's record of a flow's run.

    Others who can write the ledger must not run programs here, so a function is only imported from
    the current folder.
    """
    from mapper_dask import jobfile

    if stored.document is None:
        message = (
            f"run {stored.run_id!r} was begun from Python, so the ledger holds no job file of it: "
            "finish it with ExecutionEngine.resume, or give the job file"
        )
        raise ConfigurationError(message, field="file", run_id=stored.run_id)
    folder = stored.directory or "."
    job_file = jobfile.parse(
        stored.document,
        path=f"job file of run {stored.run_id}",
        directory=folder,
        unnamed=stored.name,
    )
    functions = [
        job.transform.function
        for job in job_file.file.jobs.values()
        if job.transform is not None and job.transform.function is not None
    ]
    if functions:
        _require_here(stored, functions)
    return job_file


def _require_here(stored: Any, functions: list[str]) -> None:
    here = Path.cwd()
    homes = {name: _is_here(name, here) for name in functions}
    if Path(stored.directory or ".").resolve() == here and all(homes.values()):
        return
    strange = ", ".join(name for name, home in homes.items() if not home) or functions[0]
    message = (
        f"the job file of run {stored.run_id!r} names the function {strange}, which is not "
        "imported on the ledger's word: change to the folder of the job file, or give the file"
    )
    raise ConfigurationError(message, field="file", run_id=stored.run_id)


def _is_here(function: str, here: Path) -> bool:
    """Return whether a function's module is in this folder."""
    top = function.partition(":")[0].partition(".")[0]
    return (here / f"{top}.py").is_file() or (here / top).is_dir()


def _resumed_alone(run_id: str, conn: Any, given: dict[str, Any], options: dict[str, Any]) -> Reply:
    """Finish a run without a flow."""
    from mapper_dask import ParallelProcessor
    from mapper_dask.flow import FlowResult, JobState

    known = settings_of(None, options)
    processor = ParallelProcessor(settings=known, on_failure="return")
    done = processor.resume(run_id, target_conn=conn, **given)
    state = JobState.SUCCEEDED if done.succeeded else JobState.FAILED
    if not done.succeeded and done.error is None and done.chunks_failed:
        stopped = done.chunks_succeeded + done.chunks_failed < done.chunks_total
        state = JobState.FAILED if stopped else JobState.PARTIAL
    job = _alone(run_id, run_id, state, done)
    return _reply(FlowResult(run_id, run_id, (job,), done.processing_time), Refusals())


COMMANDS = {"run": run, "resume": resume}
