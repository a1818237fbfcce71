"""Runs with a query that is read once: all of its rows are read before the first chunk begins."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from mapper_dask.chunk.reading import BufferedChunk, hold
from mapper_dask.connections.pool import close_idle
from mapper_dask.dialects.snapshot import Keeper
from mapper_dask.errors import ConfigurationError, MapperError, RunStoppedError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan import key_space
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.retries import attempts
from mapper_dask.run.entry import Entry, Stopped, stopped, watched
from mapper_dask.run.resumed import Resumed
from mapper_dask.run.run import Run
from mapper_dask.run.spooling import Few, Report, Spool, Spooler, read_once
from mapper_dask.spool.files import SETTING
from mapper_dask.spool.folder import SpoolFolder, remove_let_go
from mapper_dask.workers.engines import Engine

AGAIN = (
    "its query was read from the start: nothing is loaded of what it gave before, if that was all "
    "of it"
)
"""Note on a run that was killed while its query was read."""

ENDING = 5.0
"""Seconds that a run which ends before its first chunk waits for a connection to record that: it
still holds others that somebody may need. If it gets none, its entry is that of a killed run."""


@dataclass(frozen=True, slots=True)
class Inlet:
    """How the rows of a query that is read once are received."""

    parent: Path
    """Folder of their files."""
    stop: threading.Event
    """Ends the reading."""
    report: Report


Taken = tuple[Run, contextlib.ExitStack]
"""A run after its query was read, if it is read once, and the stack that releases the rows."""


def taken_in(run: Run, keeper: Keeper, inlet: Inlet, *, broken_off: bool = False) -> Taken | None:
    """Read the query of a run that is read once; return the run, and what releases its rows.

    More rows than a chunk are in files then, which are its chunks; fewer are in memory. If few are
    expected and the source refuses them, the run's one chunk gets that error itself, and the
    ledger records it. A run that passes bytes on undecoded is not read here, either.

    The run is in the ledger meanwhile, so that everybody sees it, and can cancel it.

    Parameters
    ----------
    broken_off
        Whether the run ended before while its query was read.

    Returns
    -------
    Taken or None
        None if another coordinator has entered its reading first.

    Raises
    ------
    RunStoppedError
        When the run was stopped meanwhile.
    ConfigurationError
        When the rows do not fit on the disk.
    DatabaseError
        When the source refuses the query.
    """
    if not run.plan.read_once or run.prepared.passes_bytes:
        return run, contextlib.ExitStack()
    if inlet.stop.is_set():
        raise stopped(run.run_id)
    if run.ledger is None:
        with contextlib.ExitStack() as stack:
            run = _read_into(run, keeper, inlet, stack)
            return run, stack.pop_all()
    taken = _entered(run, run.ledger, keeper, inlet)
    if taken is None:
        if run.ledger.state() not in (RunState.RUNNING, RunState.RESTARTING, RunState.SUCCEEDED):
            raise stopped(run.run_id)  # by somebody else, or discarded
        return None
    if broken_off and taken[0].spool is None:
        return taken[0].noting(AGAIN), taken[1]
    return taken


def _entered(run: Run, ledger: RunLedger, keeper: Keeper, inlet: Inlet) -> Taken | None:
    """Enter a run and read its query; return None if another coordinator has the run by then."""
    if not run.enter(keeper.snapshot):
        return None
    with contextlib.ExitStack() as stack:
        entry = stack.enter_context(
            Entry(replace(ledger, connection_wait=ENDING), run.new, inlet.stop)
        )
        try:
            taken = _read_into(replace(run, entry=entry), keeper, inlet, stack)
        except RunStoppedError:
            if inlet.stop.is_set():
                raise
            return None
        if taken.spool is not None and not _enter_chunks(taken, run, ledger, entry):
            return None
        return taken, stack.pop_all()


def _enter_chunks(taken: Run, run: Run, ledger: RunLedger, entry: Entry) -> bool:
    """Enter the chunks of a reading; return whether they are the run's."""
    spool = taken.spool
    assert spool is not None  # noqa: S101 - checked by the caller
    note = "" if entry.new or run.note else AGAIN
    spool.keep = ledger.take_chunks(spool.snapshot, run.chunks, taken.chunks, note)
    entry.folder = spool.folder
    return spool.keep


def _read_into(run: Run, keeper: Keeper, inlet: Inlet, stack: contextlib.ExitStack) -> Run:
    """Read a run's query; return the run over its rows, which the stack releases."""
    try:
        taken = _read(run, inlet)
    except (RunStoppedError, ConfigurationError):
        raise
    except MapperError:
        if run.plan.many_expected:
            raise
        return run
    finally:
        close_idle()  # of the reader; workers may need its connections
    if isinstance(taken, Few):
        held = BufferedChunk(taken.tables, taken.snapshot)
        stack.callback(hold(run.prepared.task.read, run.chunks[0], held))
        return run
    stack.callback(taken.put_away)
    keeper.snapshot = taken.snapshot
    return run.over(taken)


def _read(run: Run, inlet: Inlet) -> Spool | Few:
    task, found = run.prepared.task, Stopped(run.run_id, run.ledger, inlet.stop)
    number = task.retries if run.plan.many_expected else 1
    size = run.plan.config.chunk_size
    spooler = Spooler(inlet.parent, run.run_id, size, found.halt, inlet.report)

    def read(found: Stopped) -> Spool | Few:
        for attempt in attempts(number, task.connection_wait):
            with attempt, found.as_stopped():
                return read_once(task.read, spooler)
        raise AssertionError  # pragma: no cover - attempts return or raise

    try:
        return watched(read, run.job.source, found)
    except BaseException:
        spooler.remove()
        raise


@dataclass(frozen=True, slots=True)
class Again:
    """How a stored run is resumed."""

    plan: ChunkPlan
    spool: Spool | None = None
    """The files of its query's rows, if they still exist."""
    note: str = ""
    """Why its query is read again; empty if it is not."""


def found_again(plan: ChunkPlan, resumed: Resumed, keeper: Keeper, parent: Path) -> Again:
    """Return how a stored run is resumed: from the files of its rows, if it has any.

    If they are missing, or not as they were written, its query is read again, unless rows that it
    has loaded cannot be dropped.

    Raises
    ------
    ConfigurationError
        When some of its rows are loaded, and not staged.
    """
    if not plan.spooled:
        return Again(plan)
    stored = resumed.stored
    folder = SpoolFolder.found(parent, stored.run_id, resumed.left)
    if folder is not None:
        keeper.snapshot = stored.snapshot
        return Again(plan, Spool(folder, resumed.left, stored.snapshot, keep=True))
    resumed = resumed.halted()  # what its workers still process is of that reading
    if resumed.committed and stored.plan.publication is None:
        raise ConfigurationError(_refusal(resumed, parent), field="run_id", run_id=stored.run_id)
    again = plan.evolve(chunks=tuple(key_space.whole(plan.config.total_rows)))
    return Again(again, note=_note(resumed.committed, parent))


def _refusal(resumed: Resumed, parent: Path) -> str:
    return (
        f"run {resumed.stored.run_id!r} cannot go on: its query is read once, {resumed.committed} "
        f"of its {len(resumed.known)} "
        f"chunks are in the target, and the rows of the others are not in {parent} any more, or "
        "not as they were written. Another reading may have other rows. Resume it on the machine "
        f"and with the {SETTING} it was begun with; or remove what it has loaded, discard it, and "
        "run the job again: staged (atomic=True, write_disposition='replace' or 'merge'), such a "
        "run begins anew by itself"
    )


def _note(staged: int, parent: Path) -> str:
    note = (
        f"the rows that the query had given were not in {parent} any more, or not as they were "
        "written, so it was read anew"
    )
    return f"{note}; {staged} chunks that were staged were thrown away" if staged else note


def shared(run: Run, engine: Engine) -> Run:
    """Return a run with chunks that workers read from the folder if all see it, else get sent.

    Workers are asked once a run.
    """
    if run.spool is None:
        return run
    folder = run.spool.folder
    return run.shipped(seen=engine.sees(str(folder.path), folder.reading))


def put_away(spool: Spool) -> contextlib.ExitStack:
    """Return a stack that closes the files of a reading."""
    stack = contextlib.ExitStack()
    stack.callback(spool.put_away)
    return stack


def done(run: Run, result: ParallelProcessingResult) -> None:
    """Let the files of a run that has succeeded be removed."""
    if run.spool is not None and result.succeeded:
        run.spool.keep = False
        remove_let_go(run.spool.folder.path.parent, run.run_id)  # left by killed processes
