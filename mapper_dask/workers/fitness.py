"""Checks before a run that each worker can unpickle its function and use its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cloudpickle

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import ConfigurationError
from mapper_dask.workers.engines import DaskEngine, Engine
from mapper_dask.workers.remote import CALL, Answer, answer, packed, resolve_all, take, version


def require_picklable(function: Callable[..., Any] | None) -> None:
    """Refuse a function that cannot be sent to a worker.

    Raises
    ------
    ConfigurationError
        Names what it holds that does not pickle.
    """
    if function is None:
        return
    try:
        cloudpickle.dumps(function)
    except Exception as error:  # noqa: BLE001
        message = (
            "transformation_logic cannot be sent to worker processes: "
            f"{type(error).__name__}: {error}. "
            "Open connections, files and locks inside the function, or pass enable_parallel=False"
        )
        raise ConfigurationError(message, field="transformation_logic") from None


def require_reachable(
    engine: Engine, refs: Sequence[ConnectionRef], function: Callable[..., Any] | None = None
) -> None:
    """Refuse when a worker lacks what a chunk needs.

    A task whose function a worker cannot unpickle would hang there for ever.

    Raises
    ------
    ConfigurationError
        What is missing, and on which worker: this library in this version, a variable, a profile,
        the function's module, or the file that holds an inline password.
    """
    if not isinstance(engine, DaskEngine):
        return
    for address, found in _asked(engine, resolve_all, tuple(refs)):
        if isinstance(found, Answer):
            message = f"worker {address} cannot do the run's chunks: {found.unfit}"
            raise ConfigurationError(message, field="client")
        message = f"the workers cannot use the connections: {found} (worker {address})"
        raise ConfigurationError(message, field="source_conn, target_conn")
    if function is None:
        return
    for address, found in _asked(engine, take, function):
        why = found.unfit if isinstance(found, Answer) else f"{type(found).__name__}: {found}"
        message = (
            f"the workers cannot load transformation_logic: worker {address}: {why}. Install its "
            "module where they start, or send it along, before the run: "
            "cloudpickle.register_pickle_by_value(module)"
        )
        raise ConfigurationError(message, field="transformation_logic")


def _asked(
    engine: DaskEngine, question: Callable[..., None], about: Any
) -> Iterator[tuple[str, Answer | Exception]]:
    """Yield each worker that cannot run something, and why.

    A worker that leaves meanwhile is skipped.
    """
    parts = packed(question, about)
    found = engine.client.run(CALL, version(), parts, on_error="return")
    for address, outcome in sorted(found.items()):
        if isinstance(outcome, OSError):
            continue
        if isinstance(outcome, Exception):
            yield address, outcome
        elif (found_unfit := answer(outcome)).unfit:
            yield address, found_unfit
