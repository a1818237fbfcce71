"""The remote call that runs a function on a worker, after checking that the worker can run it.

A worker may lack this library, have another version of it, or start where a function's module is
not installed. So the call itself is pickled by value and needs only Python there; the function and
its arguments are sent as bytes, and are unpickled only when the versions are equal.
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
"""Name of the distribution."""


def version() -> str:
    """Return the version of this library in this process."""
    return str(getattr(mapper_dask, "__version__", None) or _installed())


@functools.cache
def _installed() -> str:
    return metadata.version(NAME)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote call returned."""

    address: str
    """Dask's address of the worker; empty outside a task."""
    unfit: str
    """Why the worker cannot run it; empty: it did."""
    value: Any = None
    """The function's result."""


class RemoteCall:
    """A callable for Dask that pickles by value, whatever the worker has installed."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __reduce__(self) -> tuple[Any, ...]:
        return (cloudpickle.loads, (self._packed,))

    def __call__(self, version: str, parts: list[bytes]) -> tuple[str, str, object]:
        """Run it in this process, where a worker is a thread of it."""
        found: tuple[str, str, object] = cloudpickle.loads(self._packed)(version, parts)
        return found


def packed(*parts: Any) -> list[bytes]:
    """Return a function and its arguments for a remote call, each pickled separately.

    Dask pickles by reference whatever it can import here. cloudpickle honours
    ``cloudpickle.register_pickle_by_value``.
    """
    return [cloudpickle.dumps(part) for part in parts]


def answer(found: tuple[str, str, Any]) -> Answer:
    """Return a remote call's outcome, with the reason if the worker is unfit."""
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
    """Return the function that is called remotely; a nested function pickles by value."""

    def enter(version: str, parts: list[bytes]) -> tuple[str, str, object]:
        import cloudpickle
        from distributed import get_worker

        try:
            address = get_worker().address
        except ValueError:  # not in a task
            address = ""
        try:
            import mapper_dask

            known = vars(mapper_dask)
            found = getattr(mapper_dask, "__version__", None) or known.get("_installed")
            if found is None:
                from importlib import metadata

                # Cached: the lookup takes longer than the call for a small chunk.
                found = known["_installed"] = metadata.version("mapper-dask")
        except ImportError as error:
            return address, "missing", f"{type(error).__name__}: {error}"
        if found != version:
            return address, "version", str(found)
        try:
            function, *args = [cloudpickle.loads(part) for part in parts]
        except MemoryError:  # transient, so not a reason to call the worker unfit
            raise
        except Exception as error:  # noqa: BLE001 - a module may raise anything when it is imported
            return address, "unloadable", f"{type(error).__name__}: {error}"
        return address, "done", function(*args)

    return enter


CALL = RemoteCall(cloudpickle.dumps(_made()))
"""Dask calls it with :func:`version` and what :func:`packed` returned."""


def perform(
    task: ChunkTask, placed: tuple[Chunk, Chunk | None]
) -> ChunkResult | str:  # pragma: no cover - in workers
    """Process a chunk and return its result; or, as a text, what this process lacks for it."""
    load = task.load
    try:
        _resolved((task.read.source, *(() if load is None else (load.target,))))
    except (MapperError, ImportError) as error:
        return f"it cannot use the connections: {error}"
    return process_chunk(task, *placed)


@functools.lru_cache(maxsize=8)
def _resolved(refs: Sequence[ConnectionRef]) -> None:
    """Resolve references once a process; only success is cached, so an error is retried."""
    resolve_all(refs)


def resolve_all(refs: Sequence[ConnectionRef]) -> None:
    """Resolve the references.

    Raises
    ------
    MapperError
        What is missing here.
    """
    for ref in refs:
        ref.resolve()


def take(function: Callable[..., Any]) -> None:
    """Do nothing: the test is that the worker could unpickle the function."""
