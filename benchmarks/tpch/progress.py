"""How far a run is, and how long it will take: a guess first, then what it took so far."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

VERIFY_MICROSECONDS = 0.6
"""For emptying the target and comparing it, a row."""

START_SECONDS = {"limit": 0.2, "ours": 0.4, "peer": 3.0}


@dataclass(frozen=True, slots=True)
class Step:
    """One run that is still to come, or is done."""

    name: str
    kind: str
    rows: int
    guess: float
    """Microseconds a row."""

    @property
    def guessed_seconds(self) -> float:
        """Seconds it may take, with all that is around it."""
        return START_SECONDS[self.kind] + self.rows * (self.guess + VERIFY_MICROSECONDS) / 1e6


@dataclass(slots=True)
class Progress:
    """Prints a line a run."""

    left: list[Step]
    took: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def announce(self) -> None:
        """Say how long all of it may take."""
        minutes = self.seconds_left() / 60
        print(f"{len(self.left)} runs, about {minutes:.0f} min on two slow cores", flush=True)

    def seconds_left(self) -> float:
        """Return the seconds that the steps left will take: as before, else as guessed."""
        return sum(self.took.get(step.name, step.guessed_seconds) for step in self.left)

    def start(self) -> None:
        """Begin a step."""
        self.began = time.monotonic()

    def done(self, where: str, name: str, said: str) -> None:
        """End a step and print what came of it."""
        self.took[name] = time.monotonic() - self.began
        step = next(step for step in self.left if step.name == name)
        self.left.remove(step)
        minutes = self.seconds_left() / 60
        print(f"{where}  {name:32} {said}  (about {minutes:.0f} min left)", flush=True)


def repeated(steps: Iterable[Step], times: int) -> list[Step]:
    """Return steps as often as they will be taken."""
    return [step for step in steps for _ in range(times)]
