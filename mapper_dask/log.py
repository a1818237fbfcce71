"""The library's log: one record a change of state, as text and as fields.

The logger is ``mapper_dask``. A record's text is ``event=… run=… key=value …``; the same fields are
in ``record.mapper``, a dict, for a formatter that writes JSON. There is no secret in them, and no
value of a row: why a chunk failed is named by the kind of its error alone, the ledger has the rest.

=======================  =======  ==================================================================
event                    level    fields beside ``run``; in a flow ``flow``, ``flow_run``, ``job``
=======================  =======  ==================================================================
``run_planned``          INFO     chunks, rows (estimated), strategy, cut
``plan_note``            WARNING  note
``connections_awaited``  WARNING  why, seconds_left
``commits_awaited``      INFO     transactions, first, seconds: what an incremental job waits for
``appended_before``      WARNING  before: the run that has appended the same query
``rows_held_back``       WARNING  note: why rows come in a later run, or might be missed
``query_read``           INFO     rows, mb: so much is here of a query that is read once
``rows_spooled``         INFO     rows, chunks: all of it is here, in local files
``spool_shipped``        WARNING  note: files are sent to the workers; worker: that sees none; why
``spool_removed``        WARNING  folder: left behind by a run that died
``run_refused``          WARNING  error, field
``run_started``          INFO     chunks, target, resumed
``chunk_assigned``       DEBUG    chunk
``chunk_processed``      INFO     chunk, state, rows_read, rows_loaded, rows_rejected, attempts,
                                  worker, seconds
``chunk_failed``         WARNING  the same, error
``rows_refused``         WARNING  table
``run_restarted``        WARNING  note
``worker_passed_over``   WARNING  worker, note: it lacks something, or cannot reach a database
``chunks_sent_again``    WARNING  note: the cluster was restarted, or had forgotten its tasks
``run_published``        INFO     target, rows
``run_succeeded``        INFO     chunks, failed, rows_read, rows_loaded, rows_rejected, seconds
``run_failed``           ERROR    the same, error
``run_cancelled``        WARNING  the same
``no_snapshot``          WARNING  note: why the source is not read in one state
``snapshot_lost``        WARNING  snapshot, error, note
``reading_goes_on``      INFO     note: why the reading of what was cancelled is not broken off
``staging_dropped``      WARNING  table: left behind by a run that died
``error_told``           DEBUG    error, cause, passed, cause_passed: lines of code that its
                                  traceback leaves out
``hook_failed``          WARNING  hook, error, note, and the traceback of a user's hook
=======================  =======  ==================================================================

A flow tells of itself (:func:`log_flow_event`) with the fields ``flow``, ``flow_run`` and ``job``:
``flow_started``, and ``flow_succeeded``, ``flow_failed`` or ``flow_cancelled``; ``job_started``,
and ``job_succeeded``, ``job_partial``, ``job_failed``, ``job_skipped``, ``job_cancelled`` or
``job_discarded``.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

logger = logging.getLogger("mapper_dask")


@dataclass(frozen=True, slots=True)
class FlowPlace:
    """Which job of which flow a run is."""

    flow: str
    """The flow's name."""
    flow_run: str
    """The flow's run."""
    job: str
    """The job's name in it."""


_place: contextvars.ContextVar[FlowPlace | None] = contextvars.ContextVar(
    "mapper_dask_flow_place", default=None
)


@contextlib.contextmanager
def flow_job(*, flow: str, flow_run: str, job: str) -> Iterator[None]:
    """Let every run of this context be told as a job of a flow.

    It holds in this thread. A thread that is started inside it knows it, and the caller's current
    span, when it runs in ``contextvars.copy_context()``.
    """
    token = _place.set(FlowPlace(flow, flow_run, job))
    try:
        yield
    finally:
        _place.reset(token)


def current_place() -> FlowPlace | None:
    """Return which job of a flow runs in this context, None outside of flows."""
    return _place.get()


_KIND = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)\b")
_SQLSTATE = re.compile(r"\[([0-9A-Z]{5})\]|\b(ORA-\d{5})\b")


def error_kind(text: str) -> str:
    """Return what kind of error a chunk's text tells of, without a value it may hold.

    >>> error_kind("DatabaseError: duplicate key value violates … [23505]")
    'DatabaseError 23505'
    """
    first = text.partition("\n")[0]
    kind, state = _KIND.search(first), _SQLSTATE.search(first)
    code = f" {state[1] or state[2]}" if state else ""
    return f"{kind[0] if kind else 'ChunkError'}{code}"


def log(event: str, level: int = logging.INFO, /, **fields: Any) -> None:
    """Write one event: its fields as text, and in ``record.mapper``. None stands for no field."""
    if not logger.isEnabledFor(level):
        return
    place = _place.get()
    where = {} if place is None else asdict(place)
    error = fields.pop("exc_info", None)
    given = {"event": event, **fields, **where}
    told = {name: _plain(value) for name, value in given.items() if value is not None}
    text = " ".join(f"{name}={_as_text(value)}" for name, value in told.items())
    logger.log(level, "%s", text, extra={"mapper": told}, exc_info=error)


def _plain(value: Any) -> Any:
    """Return a value that JSON has, and any stream can write."""
    if isinstance(value, (bool, int, float)):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    plain = text != "" and not re.search(r'[\s"=\x00-\x1f]', text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def log_flow_event(
    event: str,
    *,
    flow: str,
    flow_run: str,
    job: str | None = None,
    level: int = logging.INFO,
    **fields: Any,
) -> None:
    """Write what became of a flow, or of one of its jobs.

    Parameters
    ----------
    event
        ``flow_started``, ``flow_resumed``, ``flow_succeeded``, ``flow_failed``,
        ``flow_cancelled``; ``job_started``, ``job_succeeded``, ``job_partial``, ``job_failed``,
        ``job_skipped``, ``job_cancelled``.
    flow, flow_run, job
        Whose event it is.
    fields
        Counts and names: ``run``, ``jobs``, ``rows``, ``seconds``, ``waits_for`` and such. No text
        of an error (:func:`error_kind` names its kind), and no watermark: that is a row's value.
    """
    log(event, level, flow=flow, flow_run=flow_run, job=job, **fields)
