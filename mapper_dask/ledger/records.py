"""Parses rows of the ledger into typed values; nothing of it is parsed elsewhere. Pure.

A ledger is written by loaders and read by their administrators. So its values are checked like a
user's input, and an error names the run and the field.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, get_args

import simplejson

from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import ConfigurationError
from mapper_dask.mapper_job import OnError, WriteDisposition
from mapper_dask.parallel_models import (
    AUTO,
    Chunk,
    ChunkingStrategy,
    ChunkResult,
    ChunkState,
    DtypeBackend,
    Reject,
)
from mapper_dask.stored import Stored, of_ledger, parsed

State = TypeVar("State", bound=Enum)

STAGES = ("transform", "encode", "load")

STRATEGIES = tuple(strategy.name for strategy in ChunkingStrategy)


def as_json(dialect: Dialect, value: object) -> str:
    """Return what the ledger of a database keeps of a value."""
    return json.dumps(value, ensure_ascii=dialect.capabilities.json_in_ascii)


def plan_of(run_id: str, text: object) -> Mapping[str, Any]:
    """Return the plan of a run: a mapping whose fields are what this library writes there.

    Raises
    ------
    LedgerError
        Names the field that is not.
    """
    values = parsed(run_id, "plan", text)
    stored = of_ledger(run_id, {"plan": values}).part("plan")
    require_plan(stored)
    stored.text("sql")
    _require_job(stored.part("job"))
    if stored.data.get("publication") is not None:
        waiting = stored.part("publication")
        waiting.text("schema")
        waiting.names("columns")
    return stored.data


def require_plan(stored: Stored) -> None:
    """Refuse a plan, of a ledger or of a file, whose fields are not what a plan's are."""
    stored.pairs("columns")
    stored.names("keys")
    stored.one_of("strategy", STRATEGIES)
    stored.whole("chunk_size", 1)
    stored.whole("total_rows")
    stored.text("reason")
    stored.flag("consistent")
    stored.text_or_none("target")
    stored.texts("warnings")


def _require_job(job: Stored) -> None:
    for name in ("source_sql", "target_table"):
        job.text(name)
    for name in ("target_schema", "newest_by", "source_conn", "transformation_logic"):
        job.text_or_none(name)
    for name in ("key_column", "columns", "primary_key"):
        job.names_or_none(name)
    for name in ("atomic", "direct_path", "consistent"):
        job.flag(name)
    job.one_of("write_disposition", get_args(WriteDisposition))
    job.one_of("on_error", get_args(OnError))
    job.one_of("dtype_backend", get_args(DtypeBackend))
    job.whole("reject_limit")
    if job.text_or_none("strategy") is not None:
        job.one_of("strategy", STRATEGIES)
    if job.data.get("chunk_size") != AUTO:
        job.whole("chunk_size", 1)


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
