"""The kinds of kill: each comes while chunks are loaded, and says when it hit nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tests.database import Databases
from tests.fault.forked import Coordinator
from tests.fault.playground import Playground
from tests.fault.sabotage import LOADERS, order
from tests.fault.watch import Watch

T = TypeVar("T")

STEP = 0.002
"""Seconds between two looks at a coordinator that works."""


@dataclass
class Scene:
    """A run under way."""

    ground: Playground
    databases: Databases
    coordinator: Coordinator
    watch: Watch
    loader: str
    chance: Random

    def once(self, condition: Callable[[], T]) -> T | None:
        """Wait until something holds and return it; None when the coordinator ends before."""
        while self.coordinator.alive:
            if found := condition():
                return found
            self.coordinator.listen(STEP)
        return None


def kill_coordinator(scene: Scene) -> bool:
    """Kill it after a chunk at least, while the workers load others."""
    ready = scene.once(lambda: scene.coordinator.chunks and scene.watch.under_way())
    return bool(ready) and scene.coordinator.kill()


def crash_server(scene: Scene) -> bool:
    if not scene.once(scene.watch.under_way):
        return False
    scene.watch.close()
    scene.ground.server.restart()
    return True


def kill_worker(scene: Scene) -> bool:
    found = scene.once(scene.watch.under_way)
    if not found:
        return False
    _, worker = scene.chance.choice(found)
    try:
        os.kill(worker, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_worker_at_commit(scene: Scene) -> bool:
    point = scene.chance.choice(LOADERS[scene.loader].points)
    ordered = order(scene.ground.orders, point)
    scene.once(lambda: not ordered.exists())
    try:
        ordered.unlink()
    except FileNotFoundError:
        return True
    return False


def end_backend(scene: Scene) -> bool:
    found = scene.once(scene.watch.under_way)
    if not found:
        return False
    backend, _ = scene.chance.choice(found)
    return scene.watch.fetch("SELECT pg_terminate_backend(%s)", backend) == [(True,)]


AT_COMMIT = "worker at COMMIT"
KINDS = {
    "coordinator": kill_coordinator,
    "server": crash_server,
    "backend": end_backend,
    "worker": kill_worker,
    AT_COMMIT: kill_worker_at_commit,
}
SHARES = {"coordinator": 35, "server": 30, "backend": 13, "worker": 12, AT_COMMIT: 10}
"""How many of each kind in a hundred."""


def hundredths(chance: Random, number: int) -> list[str]:
    """Return so many kinds of kill, drawn without putting back from the hundred."""
    return chance.sample(list(SHARES), counts=SHARES.values(), k=number)
