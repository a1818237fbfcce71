"""How work comes to a worker: through a door that finds out whether it can be done there.

A worker may lack this library, have another version of it, or start where a function's module is
not installed. So the door itself goes along by value and needs nothing there but Python; what is
behind it goes as bytes, and is unpacked when the versions are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import cloudpickle

import mapper_dask
from mapper_dask.chunk.chunk_processor import process_chunk
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import MapperError
from mapper_dask.parallel_models import Chunk, ChunkResult

NAME = "mapper-dask"
"""The library, as it is installed."""


def version() -> str:
    """Return the version of this library, here."""
    return str(getattr(mapper_dask, "__version__", None) or _installed())


@functools.cache
def _installed() -> str:
    return metadata.version(NAME)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back through the door."""

    address: str
    """The worker's, as Dask names it; empty where that is known otherwise."""
    unfit: str
    """Why nothing can be done there; empty: it was done."""
    value: Any = None
    """What it has returned."""


class Door:
    """What Dask is given to call; it pickles by value, whatever the worker has installed."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __reduce__(self) -> tuple[Any, ...]:
        return (cloudpickle.loads, (self._packed,))

    def __call__(self, version: str, parts: list[bytes]) -> tuple[str, str, object]:
        """Do it here, where a worker is a thread of this process."""
        found: tuple[str, str, object] = cloudpickle.loads(self._packed)(version, parts)
        return found


def packed(*parts: Any) -> list[bytes]:
    """Return a function and its arguments as they go through the door, each for itself.

    Dask pickles by reference what it can import here, and asks nobody. This way what was registered
    with ``cloudpickle.register_pickle_by_value`` goes along by value.
    """
    return [cloudpickle.dumps(part) for part in parts]


def answer(found: tuple[str, str, Any]) -> Answer:
    """Return what came back, in words of this version."""
    address, kind, value = found
    if kind == "done":
        return Answer(address, "", value)
    remedy = f"install {NAME} {version()} there, the version that is used here"
    if kind == "missing":
        return Answer(address, f"it cannot import mapper_dask ({value}); {remedy}")
    if kind == "version":
        return Answer(address, f"it has {NAME} {value}, and {version()} is used here; {remedy}")
    return Answer(address, f"it cannot load what it is sent ({value})")


def _made() -> Callable[..., Any]:
    """Return the door; a function of a function pickles by value."""

    def enter(version: str, parts: list[bytes]) -> tuple[str, str, object]:
        import cloudpickle
        from distributed import get_worker

        try:
            address = get_worker().address
        except ValueError:  # it is no task
            address = ""
        try:
            import mapper_dask

            known = vars(mapper_dask)
            found = getattr(mapper_dask, "__version__", None) or known.get("_installed")
            if found is None:
                from importlib import metadata

                # Kept: to look it up takes longer than a small chunk's way through the door.
                found = known["_installed"] = metadata.version("mapper-dask")
        except ImportError as error:
            return address, "missing", f"{type(error).__name__}: {error}"
        if found != version:
            return address, "version", str(found)
        try:
            function, *args = [cloudpickle.loads(part) for part in parts]
        except MemoryError:  # of this moment, not of what it lacks
            raise
        except Exception as error:  # noqa: BLE001 - a module may raise anything when it is imported
            return address, "unloadable", f"{type(error).__name__}: {error}"
        return address, "done", function(*args)

    return enter


DOOR = Door(cloudpickle.dumps(_made()))
"""The one there is; Dask calls it with :func:`version` and what :func:`packed` returned."""


def perform(
    task: ChunkTask, placed: tuple[Chunk, Chunk | None]
) -> ChunkResult | str:  # pragma: no cover - in workers
    """Process a chunk, and return what became of it; or what this process lacks for any of them."""
    load = task.load
    try:
        _resolved((task.read.source, *(() if load is None else (load.target,))))
    except (MapperError, ImportError) as error:
        return f"it cannot use the connections: {error}"
    return process_chunk(task, *placed)


@functools.lru_cache(maxsize=8)
def _resolved(refs: Sequence[ConnectionRef]) -> None:
    """Return when they can be resolved here, as they could once: an error is asked for again."""
    resolve_all(refs)


def resolve_all(refs: Sequence[ConnectionRef]) -> None:
    """Look up what the references stand for.

    Raises
    ------
    MapperError
        What is missing here.
    """
    for ref in refs:
        ref.resolve()


def take(function: Callable[..., Any]) -> None:
    """Do nothing: that it could be called is what is to be known."""
