"""The results file: written after each timing, so an interrupted run can still be rendered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tpch.timing import Timing

FILE = "benchmarks.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the scaling section."""

    strategy: str
    workers: int
    round: int
    timing: Timing
    peak: int
    """Largest peak resident memory of a worker so far, in bytes."""
    idle: int
    """The same before the first run of its workers, with all they import."""
    chunk_bytes: int
    """Bytes of the largest chunk, as COPY binary."""


@dataclass(slots=True)
class Results:
    """All that was measured, and on what."""

    facts: dict[str, Any]
    """Machine, versions, settings, the call: what the document says beside the figures."""
    ways: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each way asked for: versions, or why it was not run."""
    rounds: list[dict[str, Timing]] = field(default_factory=list)
    """Of each round, the timing of each way."""
    cells: list[Cell] = field(default_factory=list)
    complete: bool = False

    def save(self, folder: Path) -> None:
        """Write the file anew, in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{FILE}.new"
        unfinished.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(folder / FILE)

    def to_json(self) -> dict[str, Any]:
        """Return what ``load`` reads."""
        return {
            "facts": self.facts,
            "ways": self.ways,
            "rounds": [{name: t.to_json() for name, t in one.items()} for one in self.rounds],
            "cells": [
                {
                    "strategy": cell.strategy,
                    "workers": cell.workers,
                    "round": cell.round,
                    "timing": cell.timing.to_json(),
                    "peak": cell.peak,
                    "idle": cell.idle,
                    "chunk_bytes": cell.chunk_bytes,
                }
                for cell in self.cells
            ],
            "complete": self.complete,
        }


def load(folder: Path) -> Results:
    """Return the results that were saved in a folder."""
    stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Results(
        stored["facts"],
        stored["ways"],
        [{name: Timing.from_json(t) for name, t in one.items()} for one in stored["rounds"]],
        [Cell(**{**cell, "timing": Timing.from_json(cell["timing"])}) for cell in stored["cells"]],
        stored["complete"],
    )
