"""Reports a run's events to its hooks: those it was given, and those the environment configures."""

from __future__ import annotations

import difflib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from rich.console import Console

from mapper_dask.errors import ConfigurationError, MapperError
from mapper_dask.events import exporters
from mapper_dask.events.displays.plain import Cell, LineDisplay
from mapper_dask.events.displays.terminal import Bar, shared_display
from mapper_dask.events.run_events import (
    METHODS,
    ProgressOption,
    RunEnded,
    RunEvent,
    RunRefused,
    RunStarted,
    log_chunk,
    log_ended,
    log_refused,
    log_started,
)
from mapper_dask.ledger.run_record import RunState
from mapper_dask.log import current_place, error_kind, log
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_result import ParallelProcessingResult

ProgressOptions = ProgressOption | Sequence[ProgressOption]
"""The values of ``progress``: one hook, or several."""


def require_progress(progress: Any) -> None:
    """Refuse a ``progress`` that is not a hook.

    Raises
    ------
    ConfigurationError
        Names what was given.
    """
    for one in _each(progress):
        if not (one is None or isinstance(one, bool) or callable(one) or _methods(one)):
            message = (
                "progress must be True, False, None, a function of a RunEvent, an object with "
                f"methods of mapper_dask.Progress ({', '.join(METHODS)}), or a list of such; "
                f"got {type(one).__name__}"
            )
            raise ConfigurationError(message, field="progress")
        for name in _misspelt(one):
            begins = name.partition("_")[0]
            known = [method for method in METHODS if method.startswith(begins)]
            nearest = difflib.get_close_matches(name, known, 1, 0.0)[0]
            message = f"progress: nobody calls {type(one).__name__}.{name}; is it {nearest!r}?"
            raise ConfigurationError(message, field="progress")


def _misspelt(hook: Any) -> list[str]:
    """Return a hook's methods that look like misspelt ones of ``Progress``."""
    if hook is None or isinstance(hook, bool) or not _methods(hook):
        return []
    begins = tuple({f"{name.partition('_')[0]}_" for name in METHODS})
    own = (n for n in dir(type(hook)) if n.startswith(begins) and n not in METHODS)
    return [name for name in own if callable(getattr(hook, name))]


def _each(progress: Any) -> Sequence[Any]:
    return progress if isinstance(progress, (list, tuple)) else (progress,)


def _methods(hook: Any) -> list[str]:
    return [name for name in METHODS if callable(getattr(hook, name, None))]


def shown(progress: bool | None) -> Any:  # noqa: FBT001 - the option's own type
    """Return the display for a run; None where nothing is to be shown."""
    if progress is False:
        return None
    console = Console(stderr=True)
    if progress is None and not (console.is_terminal or console.is_jupyter):
        return None
    if console.is_jupyter:
        return Cell()
    return Bar(shared_display()) if console.is_terminal else LineDisplay(sys.stderr)


def hooks_for(progress: ProgressOptions) -> Iterator[Any]:
    """Yield the hooks of one run: those given, and those that this process is configured for."""
    for one in _each(progress):
        hook = shown(one) if one is None or isinstance(one, bool) else one
        if hook is not None:
            yield hook
    yield from exporters.configured()


@dataclass(slots=True)
class RunWatch:
    """Logs the events of one run and calls its hooks; a context around the whole run.

    A hook that raises does not end the run: its chunk is committed by then. The error is logged
    once a run. KeyboardInterrupt and SystemExit propagate.
    """

    progress: ProgressOptions
    job: MapperJob
    run_id: str | None = None
    """The run's name, as soon as it has one."""
    entering: bool = False
    """Whether this process may have entered or resumed the run in the ledger."""
    began: float = field(default_factory=time.time)
    """When the job was begun; seconds since 1970."""
    _hooks: list[Any] = field(default_factory=list)
    _complained: set[int] = field(default_factory=set)
    _started: RunStarted | None = None
    _ended: bool = False

    def __enter__(self) -> Self:
        self._hooks = list(hooks_for(self.progress))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if self._started is None:
            self._refused(error)
        elif not self._ended:
            stopped = not isinstance(error, Exception)
            state = RunState.CANCELLED if stopped else RunState.FAILED
            self._end(state, None, kind_of(error))

    def started(self, started: RunStarted) -> None:
        """Report that the run's first chunk is about to begin."""
        self._started = started
        log_started(started)
        self._call_hooks("run_started", started)

    def reading(self, rows: int, size: int) -> None:
        """Report how much was read of a query that is read once, before its run begins."""
        log("query_read", run=self.job.run_id, rows=rows, mb=size >> 20)
        self.preparing(f"reading once: {rows:,} rows, {size >> 20:,} MB")

    def preparing(self, said: str) -> None:
        """Show a step of preparation before the run's first chunk begins."""
        place = current_place()
        name = self.job.target_table or "a dry run" if place is None else place.job
        for hook in self._hooks:
            if isinstance(hook, (Bar, Cell, LineDisplay)):
                hook.reading(name, said)

    def chunk(self, run_id: str, event: RunEvent) -> None:
        """Report the result of a chunk."""
        log_chunk(run_id, event)
        if self._hooks:
            self._call_hooks("chunk_done", replace(event, started=self._started))

    def ended(self, result: ParallelProcessingResult, *, cancelled: bool) -> None:
        """Report how the run ended."""
        if result.succeeded:
            self._end(RunState.SUCCEEDED, result, None)
            return
        state = RunState.CANCELLED if cancelled else RunState.FAILED
        first = next(iter(result.errors), "")
        self._end(state, result, None if cancelled else _why(result, first))

    def _end(
        self, state: RunState, result: ParallelProcessingResult | None, error: str | None
    ) -> None:
        if self._started is None:
            return
        self._ended = True
        ended = RunEnded(
            started=self._started, state=state, result=result, error=error, ended=time.time()
        )
        log_ended(ended)
        self._call_hooks("run_ended", ended)

    def _refused(self, error: BaseException) -> None:
        refused = RunRefused(
            run_id=self.job.run_id,
            place=current_place(),
            table=self.job.target_table,
            error=kind_of(error),
            began=self.began,
            ended=time.time(),
        )
        log_refused(refused, error.details.get("field") if isinstance(error, MapperError) else None)
        self._call_hooks("run_refused", refused)

    def _call_hooks(self, method: str, value: Any) -> None:
        for hook in self._hooks:
            call = getattr(hook, method, None)
            if call is None and method == "chunk_done" and callable(hook):
                call = hook
            if call is None:
                continue
            try:
                call(value)
            except Exception as error:  # noqa: BLE001 - no error of a hook may end the run
                self._complain(hook, error)

    def _complain(self, hook: Any, error: Exception) -> None:
        if id(hook) in self._complained:
            return
        self._complained.add(id(hook))
        name = getattr(hook, "__qualname__", type(hook).__qualname__)
        kind = type(error).__name__
        log("hook_failed", logging.WARNING, hook=name, error=kind, exc_info=error)


def _why(result: ParallelProcessingResult, first: str) -> str | None:
    """Return the kind of error that ended a run, from its first failure."""
    if result.error is not None:
        return "PublishError"
    return error_kind(first) if first else None


def kind_of(error: BaseException) -> str:
    """Return the kind of an error, with the database's error code."""
    code = error.details.get("sqlstate") if isinstance(error, MapperError) else None
    return f"{type(error).__name__} {code}" if code else type(error).__name__
