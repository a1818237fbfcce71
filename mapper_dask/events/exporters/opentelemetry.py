"""Spans of a run: one for all of it, below it one for its planning and one for each chunk.

::

    mapper_dask.run             run_id, source, target, chunks, rows_…, state
    ├── mapper_dask.plan        strategy, chunks, rows
    └── mapper_dask.chunk       run_id, chunk_id, worker, rows_…, attempts, state

Every attribute's name begins with ``mapper_dask.``. The run's span is a child of the span that is
current where the run is begun. A chunk's span is made here, from its result, with the times of its
worker's clock: workers need no telemetry. Only the API is used; the program chooses the provider,
and without one there are no spans. ``error.type`` is the kind of an error; its
text, which may hold a row's value, is left to the ledger.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from mapper_dask.events.run_events import Progress, RunEnded, RunEvent, RunRefused, RunStarted
from mapper_dask.ledger.run_record import RunState
from mapper_dask.log import FlowPlace, error_kind
from mapper_dask.parallel_models import ChunkResult

PREFIX = "mapper_dask."


def current_provider() -> TracerProvider | None:
    """Return the provider that the program has set; None without one."""
    provider = trace.get_tracer_provider()
    nobody = isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider))
    return None if nobody else provider


class TraceProgress(Progress):
    """Makes the spans of runs; added to every run where a provider is set.

    Parameters
    ----------
    provider
        Receives the spans; None: the program's own.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(
            "mapper_dask", version("mapper-dask"), tracer_provider=provider
        )
        self._spans: dict[int, Span] = {}

    def run_refused(self, refused: RunRefused) -> None:
        """Make the span of a run that never began."""
        span = self._tracer.start_span(
            PREFIX + "run",
            start_time=_ns(refused.began),
            attributes=_named(
                run_id=refused.run_id, table=refused.table, state="REFUSED", **_flow(refused.place)
            ),
        )
        _blame(span, refused.error)
        span.end(_ns(refused.ended))

    def run_started(self, started: RunStarted) -> None:
        """Begin the run's span at the start of planning, and make the span of the planning."""
        span = self._tracer.start_span(
            PREFIX + "run",
            start_time=_ns(started.planning_began),
            attributes=_named(**_attributes(started)),
        )
        self._spans[id(started)] = span
        config = started.plan.config
        planning = self._tracer.start_span(
            PREFIX + "plan",
            context=trace.set_span_in_context(span),
            start_time=_ns(started.planning_began),
            attributes=_named(
                run_id=started.run_id,
                strategy=config.strategy.name,
                chunks=len(started.plan.chunks),
                rows=config.total_rows,
            ),
        )
        planning.end(_ns(started.planning_ended))

    def chunk_done(self, event: RunEvent) -> None:
        """Make a chunk's span."""
        span = None if event.started is None else self._spans.get(id(event.started))
        if span is None or event.started is None or not span.is_recording():
            return
        chunk, now = event.chunk, event.started.began + event.seconds
        began = now - chunk.processing_time if chunk.began is None else chunk.began
        child = self._tracer.start_span(
            PREFIX + "chunk",
            context=trace.set_span_in_context(span),
            start_time=_ns(began),
            attributes=_named(run_id=event.started.run_id, **_counts(chunk)),
        )
        if chunk.error is not None:
            _blame(child, error_kind(chunk.error))
        child.end(_ns(began + chunk.processing_time))

    def run_ended(self, ended: RunEnded) -> None:
        """End the run's span, with its counts and how it ended."""
        span = self._spans.pop(id(ended.started), None)
        if span is None:
            return
        result = ended.result
        if result is not None:
            span.set_attributes(
                _named(
                    rows_read=result.total_rows_processed,
                    rows_loaded=result.total_rows_successful,
                    rows_rejected=result.total_rows_rejected,
                    chunks_failed=result.chunks_failed,
                )
            )
        span.set_attribute(PREFIX + "state", ended.state.value)
        if ended.state is not RunState.SUCCEEDED:
            _blame(span, ended.error or ended.state.value)
        span.end(_ns(ended.ended))


def _attributes(started: RunStarted) -> dict[str, Any]:
    return {
        "run_id": started.run_id,
        "source": str(started.source),
        "target": None if started.target is None else str(started.target),
        "table": None if started.table is None else started.table.quoted,
        "write_disposition": started.write_disposition,
        "chunks": started.chunks,
        "resumed": started.resumed,
        **_flow(started.place),
    }


def _flow(place: FlowPlace | None) -> dict[str, str]:
    if place is None:
        return {}
    return {"flow": place.flow, "flow_run": place.flow_run, "job": place.job}


def _counts(chunk: ChunkResult) -> dict[str, Any]:
    return {
        "chunk_id": chunk.chunk_id,
        "state": chunk.state.value,
        "worker": chunk.worker or None,
        "attempts": chunk.attempts,
        "rows_read": chunk.rows_read,
        "rows_loaded": chunk.rows_loaded,
        "rows_rejected": chunk.rows_rejected,
    }


def _named(**attributes: Any) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in attributes.items() if value is not None}


def _blame(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
