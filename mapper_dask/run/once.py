"""A run whose query is read once: all of its rows are read before its first chunk begins."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mapper_dask.chunk.reading import Held, hold
from mapper_dask.chunk.spooled import SETTING
from mapper_dask.connections import close_idle
from mapper_dask.errors import ConfigurationError, MapperError, RunStoppedError
from mapper_dask.ledger_runs import RunState, StoredRun
from mapper_dask.parallel_models import ParallelProcessingResult
from mapper_dask.plan import key_space
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.retries import attempts
from mapper_dask.run import stored_runs
from mapper_dask.run.dask_engine import Engine
from mapper_dask.run.one_state import Known
from mapper_dask.run.run import Run
from mapper_dask.run.run_ledger import RunLedger
from mapper_dask.run.snapshot import Keeper
from mapper_dask.run.spool_folder import SpoolFolder, remove_of
from mapper_dask.run.spooling import Few, Spool, Spooler, Tell, read_once, stopped

LOOK = 0.2
"""Seconds after which it is looked whether a run was stopped whose query is being read."""


Taken = tuple[Run, Callable[[], None]]
"""A run whose query is read as far as it is to be before it begins, and what ends that."""


def taken_in(run: Run, keeper: Keeper, parent: Path, stop: threading.Event, tell: Tell) -> Taken:
    """Return a run whose query has been read, if it is one that is read once; and what ends that.

    Rows that are more than a chunk wait in files then, and its chunks are those; fewer are here.
    Where few are expected and the source refuses them, the run's one chunk meets that itself, and
    the ledger has it; so does one whose bytes are passed on undecoded.

    Raises
    ------
    RunStoppedError
        When the run was stopped meanwhile.
    ConfigurationError
        When there is no room for the rows.
    DatabaseError
        What the source answered.
    """
    if not run.plan.read_once or run.prepared.passes_bytes:
        return run, nothing
    try:
        taken = _read(run, parent, stop, tell)
    except (RunStoppedError, ConfigurationError):
        raise
    except MapperError:
        if stop.is_set():
            raise stopped(run.run_id) from None
        if run.plan.many_expected:
            raise
        return run, nothing
    finally:
        close_idle()  # what read it; workers may need the room
    if isinstance(taken, Few):
        return _in_hand(run, taken)
    keeper.snapshot = taken.snapshot
    return run.over(taken), taken.put_away


def nothing() -> None:
    """Do nothing: nothing was read."""


def _in_hand(run: Run, few: Few) -> Taken:
    held = Held(few.tables, few.snapshot)
    return run, hold(run.prepared.task.read, run.chunks[0], held)


def _read(run: Run, parent: Path, stop: threading.Event, tell: Tell) -> Spool | Few:
    task = run.prepared.task
    spooler = Spooler(parent, run.run_id, run.plan.config.chunk_size, stop, tell)
    number = task.retries if run.plan.many_expected else 1
    for attempt in attempts(number, task.connection_wait):
        with attempt, _ended_with(stop, run):
            return read_once(task.read, spooler)
    raise AssertionError  # pragma: no cover - attempts return or raise


@contextlib.contextmanager
def _ended_with(stop: threading.Event, run: Run) -> Iterator[None]:
    """End the statement that reads when the run is stopped: it may have no row for a long time."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK):
            if stop.is_set():
                with contextlib.suppress(MapperError):
                    stored_runs.end_reading(run.source, run.run_id)
                return

    watcher = threading.Thread(target=look, name="mapper-dask-stop", daemon=True)
    watcher.start()
    try:
        yield
    except MapperError:
        if stop.is_set():
            raise stopped(run.run_id) from None
        raise
    finally:
        done.set()
        watcher.join()


@dataclass(frozen=True, slots=True)
class Again:
    """How a stored run goes on."""

    plan: ChunkPlan
    spool: Spool | None = None
    """The rows its query has given, where they still wait."""
    note: str = ""
    """Why its query is read anew."""


def found_again(
    plan: ChunkPlan,
    stored: StoredRun,
    known: Known,
    keeper: Keeper,
    ledger: RunLedger,
    parent: Path,
) -> Again:
    """Return how a stored run goes on: from the files that hold its rows, where it has any.

    Where they are not here, or not as they were written, its query is read anew: if it has loaded
    nothing that cannot be thrown away.

    Raises
    ------
    ConfigurationError
        When some of its rows are in the target for good.
    """
    if not plan.spooled:
        return Again(plan)
    left = [chunk for chunk, result in known if not result.succeeded]
    folder = SpoolFolder.found(parent, stored.run_id, left)
    if folder is not None:
        keeper.snapshot = stored.snapshot
        return Again(plan, Spool(folder, tuple(left), stored.snapshot, keep=True))
    if stored.state is RunState.RUNNING:  # what its workers still have in hand is of that reading
        ledger.stop(RunState.FAILED)
        known = ledger.chunks()
    committed = sum(result.succeeded for _, result in known)
    if committed and stored.publication is None:
        raise ConfigurationError(
            _refusal(stored, committed, len(known), parent), field="run_id", run_id=stored.run_id
        )
    anew = plan.evolve(chunks=tuple(key_space.whole(plan.config.total_rows)))
    return Again(anew, note=_note(committed, parent))


def _refusal(stored: StoredRun, committed: int, chunks: int, parent: Path) -> str:
    return (
        f"run {stored.run_id!r} cannot go on: its query is read once, {committed} of its {chunks} "
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
    """Return a run whose chunks reach the workers: by a folder they all see, or with their tasks.

    They are asked once a run.
    """
    if run.spool is None:
        return run
    folder = run.spool.folder
    return run.shipped(seen=engine.sees(str(folder.path), folder.reading))


def keep(run: Run, *, entered: bool) -> None:
    """Let the files of a run that stands in a ledger outlive this process.

    Not those of one that somebody else has entered with another reading.
    """
    if run.spool is None or run.ledger is None or run.spool.keep:
        return
    run.spool.keep = entered or run.chunks[0] in [chunk for chunk, _ in run.ledger.chunks()]


def done(run: Run, result: ParallelProcessingResult) -> None:
    """Let go of the files of a run that has succeeded."""
    if run.spool is not None and result.succeeded:
        run.spool.keep = False


def forget(parent: Path, run_id: str, result: ParallelProcessingResult) -> None:
    """Remove the files of a run of which nothing is left to do."""
    if result.succeeded:
        remove_of(parent, run_id)
