"""Parses rows of the ledger into typed values; nothing of it is parsed elsewhere. Pure.

A ledger is written by loaders and read by their administrators. So its values are checked like a
user's input, and an error names the run and the field.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

import simplejson

from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import ConfigurationError
from mapper_dask.job_fields import STRATEGIES
from mapper_dask.ledger.run_record import StoredPlan, StoredPublication
from mapper_dask.mapper_job import FIELDS
from mapper_dask.parallel_models import (
    Chunk,
    ChunkResult,
    ChunkState,
    Reject,
)
from mapper_dask.stored import Stored, of_ledger, parsed

State = TypeVar("State", bound=Enum)

STAGES = ("transform", "encode", "load")


def as_json(dialect: Dialect, value: object) -> str:
    """Return what the ledger of a database keeps of a value."""
    return json.dumps(value, ensure_ascii=dialect.capabilities.json_in_ascii)


def plan_of(run_id: str, text: object) -> StoredPlan:
    """Return the plan of a run, whose fields are what this library writes there.

    Raises
    ------
    LedgerError
        Names the field that is not.
    """
    values = parsed(run_id, "plan", text)
    stored = of_ledger(run_id, {"plan": values}).part("plan")
    return replace(
        kept_plan(stored),
        sql=stored.text("sql"),
        job=_job(stored.part("job")),
        publication=_publication(stored),
        target_columns=stored.data.get("target_columns"),
    )


def kept_plan(stored: Stored) -> StoredPlan:
    """Return a plan, of a ledger or a file; refuse one whose fields are not what a plan's are."""
    return StoredPlan(
        columns=stored.pairs("columns"),
        keys=stored.names("keys"),
        strategy=stored.one_of("strategy", STRATEGIES),
        chunk_size=stored.whole("chunk_size", 1),
        total_rows=stored.whole("total_rows"),
        reason=stored.text("reason"),
        consistent=stored.flag("consistent"),
        target=stored.text_or_none("target"),
        warnings=stored.texts("warnings"),
    )


def _publication(stored: Stored) -> StoredPublication | None:
    if stored.data.get("publication") is None:
        return None
    waiting = stored.part("publication")
    return StoredPublication(waiting.text("schema"), waiting.names("columns"))


def _job(job: Stored) -> Mapping[str, Any]:
    for name in ("source_conn", "transformation_logic"):
        job.text_or_none(name)
    for name, one in FIELDS.items():
        if one.read is not None:
            one.read(job, name)
    return job.data


def notes_of(run_id: str, text: object) -> tuple[str, ...]:
    """Return the sentences that every report of a run says."""
    return of_ledger(run_id, {"notes": parsed(run_id, "notes", text)}).texts("notes")


def state_of(run_id: str, kind: type[State], value: object) -> State:
    """Return a state by its name."""
    known = [state.value for state in kind]
    return kind(of_ledger(run_id, {"state": value}).one_of("state", known))


def chunk_of(run_id: str, row: Sequence[Any]) -> tuple[Chunk, ChunkResult]:
    """Return a chunk and its result."""
    (
        bounds,
        state,
        read,
        out,
        loaded,
        rejected,
        attempts,
        worker,
        seconds,
        snapshot,
        warnings,
        error,
    ) = row
    chunk = _chunk(run_id, bounds)
    notes = of_ledger(run_id, {"warnings": parsed(run_id, "warnings", warnings)}, "chunk")
    return chunk, ChunkResult(
        chunk_id=chunk.chunk_id,
        state=state_of(run_id, ChunkState, state),
        bounds=chunk.describe(),
        rows_read=read,
        rows_out=out,
        rows_loaded=loaded,
        rows_rejected=rejected,
        attempts=attempts,
        worker=worker,
        processing_time=seconds,
        snapshot=snapshot,
        warnings=notes.texts("warnings"),
        error=error,
    )


def _chunk(run_id: str, text: object) -> Chunk:
    values = parsed(run_id, "chunk.bounds", text)
    stored = of_ledger(run_id, {"bounds": values}, "chunk")
    try:
        return Chunk.from_json(stored.part("bounds").data)
    except ConfigurationError as error:
        if error.details.get("run_id"):
            raise
        stored.refuse("bounds", f"a chunk's ({error})")


def reject_of(run_id: str, stage: Any, reason: Any, key: Any, row: Any) -> Reject:
    """Return a rejected row."""
    values = {"stage": stage, "reason": reason, "key": _exact(run_id, "key", key)}
    stored = of_ledger(run_id, {**values, "row": _exact(run_id, "row", row)}, "reject")
    return Reject(
        stored.one_of("stage", STAGES),  # type: ignore[arg-type]
        stored.text("reason"),
        stored.part("row").data,
        None if values["key"] is None else stored.part("key").data,
    )


def _exact(run_id: str, name: str, text: str | None) -> Any:
    """Parse JSON, keeping all digits of its numbers."""
    if text is None:
        return None
    try:
        return simplejson.loads(text, use_decimal=True)
    except (ValueError, RecursionError):
        of_ledger(run_id, {name: text}, "reject").refuse(name, "JSON")


def seconds_between(start: object, end: object) -> float:
    """Return the seconds between two times as the ledger writes them; 0 where one is none.

    A time that no calendar has, such as infinity, says nothing of how old a run is.
    """
    try:
        begun, ended = dt.datetime.fromisoformat(str(start)), dt.datetime.fromisoformat(str(end))
        return (ended - begun).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def as_texts(reject: Reject) -> dict[str, Any]:
    """Return a rejected row as it is stored."""
    stored = reject.to_json()
    key = stored["key"]
    return {
        "stage": stored["stage"],
        "reason": stored["reason"],
        "key": None if key is None else simplejson.dumps(key, ensure_ascii=False),
        "row": simplejson.dumps(stored["row"], ensure_ascii=False),
    }
