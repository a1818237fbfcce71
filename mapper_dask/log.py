"""The library's log: one record for each change of state, as text and as fields.

The logger is ``mapper_dask``. A record's text is ``event=… run=… key=value …``; the same fields are
in ``record.mapper``, a dict, for a formatter that writes JSON. They hold no secret and no value of
a row: a chunk's failure is logged as the kind of its error only; the ledger has the text.

=======================  =======  ==================================================================
event                    level    fields beside ``run``; in a flow ``flow``, ``flow_run``, ``job``
=======================  =======  ==================================================================
``run_planned``          INFO     chunks, rows (estimated), strategy, cut
``plan_note``            WARNING  note
``connections_awaited``  WARNING  why, seconds_left
``commits_awaited``      INFO     transactions, first, seconds: what an incremental job waits for
``appended_before``      WARNING  before: the run that has loaded the same query
``rows_held_back``       WARNING  note: why rows come in a later run, or might be missed
``query_read``           INFO     rows, mb: what was read so far of a query that is read once
``rows_spooled``         INFO     rows, chunks: all of it was read into local files
``spool_shipped``        WARNING  note: files are sent to the workers; worker: which sees none; why
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
``chunks_sent_again``    WARNING  note: the cluster was restarted, or lost its tasks
``run_published``        INFO     target, rows
``run_succeeded``        INFO     chunks, failed, rows_read, rows_loaded, rows_rejected, seconds
``run_failed``           ERROR    the same, error
``run_cancelled``        WARNING  the same
``no_snapshot``          WARNING  note: why the source is not read in one state
``snapshot_lost``        WARNING  snapshot, error, note
``reading_goes_on``      INFO     note: why the read of a cancelled run is not interrupted
``staging_dropped``      WARNING  table: left behind by a run that died
``error_told``           DEBUG    error, cause, passed, cause_passed: lines of code that its
                                  traceback leaves out
``hook_failed``          WARNING  hook, error, note, and the traceback of a user's hook
=======================  =======  ==================================================================

A flow logs (:func:`log_flow_event`) with the fields ``flow``, ``flow_run`` and ``job``:
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
    """Log every run of this context as a job of a flow.

    It applies to this thread. A thread started inside it inherits it, and the caller's current
    span, if it runs in ``contextvars.copy_context()``.
    """
    token = _place.set(FlowPlace(flow, flow_run, job))
    try:
        yield
    finally:
        _place.reset(token)


def current_place() -> FlowPlace | None:
    """Return the flow's job that runs in this context; None outside of flows."""
    return _place.get()


_KIND = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)\b")
_SQLSTATE = re.compile(r"\[([0-9A-Z]{5})\]|\b(ORA-\d{5})\b")


def error_kind(text: str) -> str:
    """Return the kind of error in a chunk's text, without values the text may hold.

    >>> error_kind("DatabaseError: duplicate key value violates … [23505]")
    'DatabaseError 23505'
    """
    first = text.partition("\n")[0]
    kind, state = _KIND.search(first), _SQLSTATE.search(first)
    code = f" {state[1] or state[2]}" if state else ""
    return f"{kind[0] if kind else 'ChunkError'}{code}"


def log(event: str, level: int = logging.INFO, /, **fields: Any) -> None:
    """Log one event: its fields as text, and in ``record.mapper``, without those that are None."""
    if not logger.isEnabledFor(level):
        return
    place = _place.get()
    where = {} if place is None else asdict(place)
    error = fields.pop("exc_info", None)
    given = {"event": event, **fields, **where}
    present = {name: _plain(value) for name, value in given.items() if value is not None}
    text = " ".join(f"{name}={_as_text(value)}" for name, value in present.items())
    logger.log(level, "%s", text, extra={"mapper": present}, exc_info=error)


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent and any stream can encode."""
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
    """Log an event of a flow, or of one of its jobs.

    Parameters
    ----------
    event
        ``flow_started``, ``flow_resumed``, ``flow_succeeded``, ``flow_failed``,
        ``flow_cancelled``; ``job_started``, ``job_succeeded``, ``job_partial``, ``job_failed``,
        ``job_skipped``, ``job_cancelled``.
    flow, flow_run, job
        The flow, its run and its job.
    fields
        Counts and names: ``run``, ``jobs``, ``rows``, ``seconds``, ``waits_for`` and such. No text
        of an error (:func:`error_kind` names its kind), and no watermark: that is a row's value.
    """
    log(event, level, flow=flow, flow_run=flow_run, job=job, **fields)
