"""A plan: the query, its chunks, and its warnings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mapper_dask.errors import ConfigurationError
from mapper_dask.parallel_models import Chunk, ChunkConfig, ChunkingStrategy, ChunkKind
from mapper_dask.plan.strategy import LOST_OR_DOUBLED
from mapper_dask.rendering import Line, as_html, as_text
from mapper_dask.rendering import chunks as chunks_
from mapper_dask.schema.conversions import Conversion, Exactness
from mapper_dask.schema.facts import SourceQuery

CHUNKS_SHOWN = 4
"""Chunks printed from each end of a long plan."""

MANY_CHUNKS = 10_000
"""Beyond this, a chunk's fixed cost (about 2 ms in Dask, a commit in the target) is felt."""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """The chunks of a query: disjoint and complete by construction."""

    query: SourceQuery = field(repr=False)
    """The query as each chunk reads it."""
    config: ChunkConfig
    """How it was cut, and why."""
    chunks: tuple[Chunk, ...] = field(repr=False)
    """In order; their ids are their places."""
    consistent: bool = True
    """Whether all chunks are to read one snapshot."""
    target: str | None = None
    """Table that receives the rows; None for a dry run."""
    conversions: tuple[Conversion, ...] = ()
    """Columns that do not arrive exactly as they left."""
    warnings: tuple[str, ...] = ()
    """Warnings before it runs."""
    transport: str = ""
    """How rows pass from one database to the other."""
    one_state: bool = False
    """Whether the chunks cover the query only when all of them read one state of it."""
    again: str = ""
    """Note on what a second run does to the rows of the first; empty if nothing."""
    of_cost: tuple[str, ...] = ()
    """Those of the warnings that concern time and memory; the others concern rows."""

    def evolve(self, **changes: Any) -> ChunkPlan:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def read_once(self) -> bool:
        """Whether one statement will read the query into files."""
        return len(self.chunks) == 1 and self.chunks[0].kind is ChunkKind.WHOLE

    @property
    def spooled(self) -> bool:
        """Whether one statement has read the query into files."""
        return any(chunk.kind is ChunkKind.SPOOLED for chunk in self.chunks)

    @property
    def many_expected(self) -> bool:
        """Whether more rows are expected than make a chunk."""
        return self.config.total_rows > self.config.chunk_size

    @property
    def notes(self) -> tuple[str, ...]:
        """Every warning and every conversion with a loss, as texts."""
        losses = (str(c) for c in self.conversions if c.verdict is Exactness.LOSSY)
        return (*self.warnings, *losses)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready mapping, without secrets: the plan as the ledger stores it."""
        config = self.config
        return {
            "sql": self.query.sql,
            "columns": [[c.name, c.type_name] for c in self.query.columns],
            "keys": [c.name for c in self.query.keys],
            "strategy": config.strategy.name,
            "chunk_size": config.chunk_size,
            "total_rows": config.total_rows,
            "reason": config.reason,
            "consistent": self.consistent,
            "target": self.target,
            "warnings": list(self.notes),
        }

    def save(self, path: str | Path) -> None:
        """Write the plan and its chunks as JSON, for ``ParallelProcessor.run(job, plan=path)``."""
        stored = {**self.to_json(), "chunks": [chunk.to_json() for chunk in self.chunks]}
        Path(path).write_text(json.dumps(stored, indent=1, ensure_ascii=False), encoding="utf-8")

    def __str__(self) -> str:
        return as_text("plan", self._lines())

    def _repr_html_(self) -> str:
        return as_html("plan", self._lines())

    def _lines(self) -> list[Line]:
        first = [note for note in self.notes if note.endswith(LOST_OR_DOUBLED)]
        lines = [
            *(("warning", note) for note in first),
            ("read", _one_line(self.query.sql)),
            ("into", self.target or "nowhere: a dry run counts only"),
            *([("again", self.again)] if self.again else []),
            ("rows", f"about {self.config.total_rows:,}"),
            ("cut", self.cut),
            ("why", self.config.reason),
            ("snapshot", self._snapshot_text()),
        ]
        lines += [("wire", self.transport)] if self.transport else []
        lines += [("chunk", text) for text in _chunk_lines(self.chunks)]
        return lines + [("note", note) for note in self.notes if note not in first]

    @property
    def cut(self) -> str:
        """How the query is read, and into how many chunks, in words."""
        config, chunks = self.config, len(self.chunks)
        if self.spooled:
            return f"read once; its rows wait in {chunks:,} local files, a chunk each"
        if self.read_once and self.many_expected:
            about = math.ceil(config.total_rows / config.chunk_size)
            return (
                f"read once, by one statement, into local files: about {about:,} chunks of "
                f"{config.chunk_size:,} rows"
            )
        if self.read_once:
            return "read once, by one statement: about one chunk"
        return f"{config.strategy.name} into {chunks_(chunks)} of about {config.chunk_size:,} rows"

    def _snapshot_text(self) -> str:
        if not self.consistent:
            return "none: rows written during the run may be missed"
        if self.spooled or (self.read_once and self.many_expected):
            return "one statement sees one state; it is held until that has ended"
        return "one for all chunks; while it is held, VACUUM keeps the rows it can see"


def _one_line(sql: str, width: int = 100) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _shortened(text: str, width: int = 80) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _rows(chunk: Chunk) -> str:
    return "" if chunk.estimated_rows is None else f"  ~{chunk.estimated_rows:,} rows"


def _chunk_lines(chunks: Sequence[Chunk]) -> list[str]:
    """Return a line for each chunk; of many for those at both ends, and how many are between."""
    lines = [f"{c.chunk_id:>5}  {_shortened(c.describe())}{_rows(c)}" for c in _ends(chunks)]
    left_out = len(chunks) - len(lines)
    if left_out:
        lines.insert(CHUNKS_SHOWN, f"{'…':>5}  {left_out:,} more")
    return lines


def _ends(chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    if len(chunks) <= 2 * CHUNKS_SHOWN:
        return chunks
    return [*chunks[:CHUNKS_SHOWN], *chunks[-CHUNKS_SHOWN:]]


def saved_chunks(stored: Mapping[str, Any]) -> tuple[Chunk, ...]:
    """Return the chunks of a plan that ``save`` wrote.

    Raises
    ------
    ConfigurationError
        When the mapping is no saved plan.
    """
    try:
        return tuple(Chunk.from_json(chunk) for chunk in stored["chunks"])
    except (KeyError, TypeError, ValueError) as error:
        message = f"this is not a saved plan: {error}"
        raise ConfigurationError(message) from None


__all__ = ["ChunkPlan", "ChunkingStrategy", "saved_chunks"]
