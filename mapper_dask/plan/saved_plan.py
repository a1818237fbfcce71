"""A saved plan: its chunks, and what is needed to check that it still fits its job.

The job is stored as digests of its fields, so that the file contains neither values of variables
nor a secret. The digests show which field differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mapper_dask.connections import param_references as references
from mapper_dask.connections.param_references import opened_query
from mapper_dask.dialects.source import Source
from mapper_dask.errors import ConfigurationError, FingerprintError, PlanError
from mapper_dask.ledger.records import kept_plan
from mapper_dask.mapper_job import MapperJob
from mapper_dask.naming import fingerprint
from mapper_dask.parallel_models import AUTO, Chunk, ChunkKind
from mapper_dask.plan.ascending import require_ascending
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan, saved_chunks
from mapper_dask.schema.facts import SourceQuery
from mapper_dask.stored import Stored
from mapper_dask.text_files import read_text

SAVED_VERSION = 1
"""Layout of a saved plan; a later version of the library that changes it reads this first."""

KEPT = (
    *("columns", "keys", "strategy", "chunk_size", "total_rows", "reason"),
    *("consistent", "target", "warnings"),
)
"""What a saved plan holds of a plan, beside its chunks and a digest of its query."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The chunks of a plan, and digests that show whether a job is the one they were made for."""

    plan: Mapping[str, Any]
    """The plan without its chunks, and ``query``: the digest of its text."""
    chunks: tuple[Chunk, ...] = field(repr=False)
    """In order; their ids are their places."""
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """A digest of each field of the job that matters; empty when the job was not known."""

    @classmethod
    def of(cls, plan: ChunkPlan, marks: Mapping[str, str] | None = None) -> SavedPlan:
        """Return what is saved of a plan."""
        stored = plan.to_json()
        kept = {**{name: stored[name] for name in KEPT}, "query": fingerprint(stored["sql"])}
        return cls(kept, plan.chunks, dict(marks or {}))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready mapping from which ``from_json`` builds an equal plan."""
        chunks = [chunk.to_json() for chunk in self.chunks]
        return {"plan": dict(self.plan), "marks": dict(self.marks), "chunks": chunks}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SavedPlan:
        """Build a plan from what ``to_json`` or ``ChunkPlan.save`` wrote.

        Raises
        ------
        ConfigurationError
            When the mapping is no saved plan, or its chunks leave rows out or read them twice.
        """
        found = Stored(stored, "this saved plan", error=ConfigurationError)
        chunks = saved_chunks(stored)
        kept = found.part("plan") if "plan" in stored else found
        kept_plan(kept)
        plan = {name: kept.data[name] for name in KEPT}
        plan["query"] = (
            kept.text("query") if "query" in kept.data else fingerprint(kept.text("sql"))
        )
        require_complete(chunks)
        if chunks[0].kind is ChunkKind.SPOOLED:
            message = "a plan whose query was read already is that run's alone. Plan it again"
            raise PlanError(message, field="plan")
        require_keys(chunks, plan["keys"])
        marks = found.part("marks") if stored.get("marks") else None
        return cls(plan, chunks, {n: marks.text(n) for n in marks.data} if marks else {})

    @classmethod
    def load(cls, path: str | Path) -> SavedPlan:
        """Return the plan that ``ChunkPlan.save`` wrote.

        Raises
        ------
        ConfigurationError
            When the file cannot be read, or is no saved plan.
        """
        return cls.from_json(read_json(path))


def read_json(path: str | Path) -> Mapping[str, Any]:
    """Return the mapping a JSON file holds.

    Raises
    ------
    ConfigurationError
        When it cannot be read, or holds something else.
    """
    try:
        stored = json.loads(read_text(path))
    except OSError as error:
        message = (
            f"plan: {path} cannot be read: {error.strerror or error}; ChunkPlan.save, or "
            "`mapper-dask plan --output`, writes one"
        )
        raise ConfigurationError(message, field="plan", file=str(path)) from None
    except (ValueError, RecursionError) as error:
        message = f"{path} is not a saved plan: {error}"
        raise ConfigurationError(message, field="plan", file=str(path)) from None
    if not isinstance(stored, dict):
        message = f"{path} is not a saved plan: it holds no JSON object"
        raise ConfigurationError(message, field="plan", file=str(path))
    return stored


Plan = ChunkPlan | SavedPlan | str | Path
"""A plan to run: one at hand, or where it was saved."""


def saved(plan: object) -> SavedPlan:
    """Return a plan as it is saved, from a plan, a loaded one, or a file.

    Raises
    ------
    ConfigurationError
        When it is none of these, or the file is no saved plan.
    """
    if isinstance(plan, SavedPlan):
        return plan
    if isinstance(plan, ChunkPlan):
        return SavedPlan.of(plan)
    if isinstance(plan, (str, Path)):
        return SavedPlan.load(plan)
    message = f"plan must be a ChunkPlan or the path of a saved one, got {type(plan).__name__}"
    raise ConfigurationError(message, field="plan")


def require_complete(chunks: Sequence[Chunk]) -> None:
    """Refuse chunks that overlap, leave a gap, or do not reach both ends.

    Raises
    ------
    PlanError
        Names the chunk.
    """
    ranges = [chunk for chunk in chunks if chunk.kind is not ChunkKind.NULL_KEY]
    kinds = {chunk.kind for chunk in ranges}
    fault = _fault_of_ids(chunks)
    if fault is None and (len(kinds) != 1 or len(chunks) - len(ranges) > _nulls_allowed(kinds)):
        fault = "they are not of one kind"
    if fault is None:
        fault = _fault_of_kind(ranges)
    if fault is not None:
        message = f"the plan's chunks do not cover the query once: {fault}. Plan it again"
        raise PlanError(message, field="plan")


def require_keys(chunks: Sequence[Chunk], keys: Sequence[str]) -> None:
    """Refuse chunks whose bounds are not of a plan's keys.

    Raises
    ------
    PlanError
        Names the chunk.
    """
    for chunk in chunks:
        wide = 1 if chunk.kind is ChunkKind.ROWID_RANGE else len(keys)
        bounds = [bound for bound in (chunk.lower, chunk.upper) if bound is not None]
        if chunk.kind is ChunkKind.SPOOLED:
            continue
        keyless = chunk.kind in (ChunkKind.KEY_RANGE, ChunkKind.NULL_KEY) or len(chunks) > 1
        lacking = keyless and chunk.kind is not ChunkKind.ROWID_RANGE and not keys
        if lacking or any(len(bound) != wide for bound in bounds):
            message = (
                f"the plan's chunks do not cover the query once: chunk {chunk.chunk_id} has bounds "
                f"of other keys than {', '.join(keys) or 'none'}. Plan it again"
            )
            raise PlanError(message, field="plan")


def _nulls_allowed(kinds: set[ChunkKind]) -> int:
    return 1 if kinds == {ChunkKind.KEY_RANGE} else 0


def _fault_of_ids(chunks: Sequence[Chunk]) -> str | None:
    ids = [chunk.chunk_id for chunk in chunks]
    return None if ids == list(range(len(ids))) else "their ids are not their places"


def _fault_of_kind(ranges: Sequence[Chunk]) -> str | None:
    if ranges[0].kind is ChunkKind.SPOOLED:
        return _fault_of_files(ranges)
    return (_fault_of_windows if ranges[0].kind is ChunkKind.WINDOW else _fault_of_ranges)(ranges)


def _fault_of_files(files: Sequence[Chunk]) -> str | None:
    """Return what is wrong with chunks in files: all must be of one reading."""
    if len({chunk.spooled and chunk.spooled.reading for chunk in files}) != 1:
        return "they are of more than one reading of the query"
    begins = 0
    for chunk in files:
        if chunk.offset != begins or chunk.limit is None:
            return f"chunk {chunk.chunk_id} does not begin where the one before it ends"
        begins += chunk.limit
    return None


def _fault_of_ranges(ranges: Sequence[Chunk]) -> str | None:
    if ranges[0].kind is ChunkKind.WHOLE:
        return None if len(ranges) == 1 else "the whole query is in it twice"
    if ranges[0].lower is not None or ranges[-1].upper is not None:
        return "an end is not open"
    for before, after in pairwise(ranges):
        if before.upper is None or before.upper != after.lower:
            return f"chunk {after.chunk_id} does not begin where chunk {before.chunk_id} ends"
    return None


def _fault_of_windows(windows: Sequence[Chunk]) -> str | None:
    if windows[0].offset != 0 or windows[-1].limit is not None:
        return "an end is not open"
    for before, after in pairwise(windows):
        if before.limit is None or before.offset + before.limit != after.offset:
            return f"chunk {after.chunk_id} does not begin where chunk {before.chunk_id} ends"
    return None


def require_same_chunks(run_id: str, saved: SavedPlan, known: Sequence[Chunk]) -> None:
    """Refuse to resume a run that was cut otherwise.

    Raises
    ------
    FingerprintError
        When its chunks are not the plan's.
    """
    if list(saved.chunks) != list(known) and not _was_read_once(saved.chunks, known):
        message = (
            f"run {run_id!r} was begun with other chunks than the plan's: resume it, or give the "
            "plan a new run_id"
        )
        raise FingerprintError(message, field="run_id", run_id=run_id)


def _was_read_once(planned: Sequence[Chunk], known: Sequence[Chunk]) -> bool:
    """Return whether a run's chunks are the files into which its one planned chunk was read."""
    once = [chunk.kind for chunk in planned] == [ChunkKind.WHOLE]
    return once and {chunk.kind for chunk in known} == {ChunkKind.SPOOLED}


def restored(source: Source, job: MapperJob, saved: SavedPlan) -> ChunkPlan:
    """Return a saved plan over the source as it is now, after checking that it still holds.

    Raises
    ------
    FingerprintError
        When the query, its columns, the key or the target are not what was planned.
    PlanError
        When its chunks would not cover the query any more.
    """
    stored = kept_plan(Stored(saved.plan, "this saved plan", error=ConfigurationError))
    plan = ChunkManager().restore(source, job, stored, saved.chunks)
    planned = {
        "query": saved.plan["query"],
        "columns": [list(pair) for pair in stored.columns],
        "key_column": list(job.key_columns) or list(stored.keys),
        "chunk_size": stored.chunk_size,
    }
    now = {
        "query": fingerprint(plan.query.sql),
        "columns": [[c.name, c.type_name] for c in plan.query.columns],
        "key_column": list(stored.keys),
        "chunk_size": planned["chunk_size"] if job.chunk_size == AUTO else job.chunk_size,
    }
    for name, was in planned.items():
        if now[name] != was:
            raise FingerprintError(_differs(name, was, now[name]), field="plan")
    _require_still_complete(source, job, plan.query, saved.chunks)
    require_ascending(source, opened_query(plan.query, source.dialect.literal), saved.chunks)
    return plan


def _differs(name: str, was: object, now: object) -> str:
    shown = "" if name == "query" else f": {was}, now {now}"
    return f"the plan was made for another {name}{shown}. Plan the job again"


def _require_still_complete(
    source: Source, job: MapperJob, query: SourceQuery, chunks: Sequence[Chunk]
) -> None:
    """Refuse chunks that were complete when they were cut, and would not be now."""
    kinds = {chunk.kind for chunk in chunks}
    names = [key.name for key in query.keys]
    fault = None
    if kinds == {ChunkKind.KEY_RANGE} and not all(key.not_null for key in query.keys):
        fault = f"its key {', '.join(names)} may be NULL now"
    if ChunkKind.ROWID_RANGE in kinds and query.splice is None:
        fault = "the query does not pass on the rows of one plain table any more"
    if ChunkKind.WINDOW in kinds and len(chunks) > 1:
        if not job.consistent:
            fault = "windows need consistent=True"
        elif source.has_duplicates(references.opened(query.sql, source.dialect.literal).sql, names):
            fault = f"rows share the same {', '.join(names)} now, so windows are not exact"
    if fault is not None:
        message = f"the plan does not hold any more: {fault}. Plan the job again"
        raise PlanError(message, field="plan")
