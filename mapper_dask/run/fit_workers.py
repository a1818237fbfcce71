"""What workers must be able to do before a run is entered: take its function, find its secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle

from mapper_dask.connections import ConnectionRef
from mapper_dask.errors import ConfigurationError, MapperError
from mapper_dask.run.dask_engine import DaskEngine, Engine


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
    """Refuse when a worker cannot resolve a connection reference, or has no use for the function.

    A task whose function a worker cannot load would wait there for ever.

    Raises
    ------
    ConfigurationError
        What a worker lacks: a variable, a profile, this library, the function's module, or the
        file that holds an inline password.
    """
    if not isinstance(engine, DaskEngine):
        return
    try:
        engine.client.run(_resolve_all, tuple(refs))
    except (MapperError, ImportError) as error:
        message = f"the workers cannot use the connections: {error}"
        raise ConfigurationError(message, field="source_conn, target_conn") from None
    if function is None:
        return
    try:
        engine.client.run(_take, function)
    except Exception as error:  # noqa: BLE001 - a module may raise anything when it is imported
        message = (
            "the workers cannot load transformation_logic: "
            f"{type(error).__name__}: {error}. Install its module where they start, or send it "
            "along: cloudpickle.register_pickle_by_value"
        )
        raise ConfigurationError(message, field="transformation_logic") from None


def _resolve_all(refs: Sequence[ConnectionRef]) -> None:
    for ref in refs:
        ref.resolve()


def _take(function: Callable[..., Any]) -> None:
    """Do nothing: that it could be called is what is to be known."""
