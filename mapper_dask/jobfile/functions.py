"""Imports functions by their names, when a flow is built, never while a file is checked."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from mapper_dask.ledger.stored_job import is_users_own

OWN = "mapper_dask"
"""This library, which every worker has."""


class FunctionError(ValueError):
    """A function that cannot be imported, or does not take its arguments."""


def found(name: str, directory: str) -> Callable[..., Any]:
    """Return the function a job file names, from its folder or from an installed module.

    A module that is not installed is sent to the workers by value, with every other one of that
    folder that was imported, so that they need no copy.

    Raises
    ------
    FunctionError
        When the module cannot be imported, or has no such function.
    """
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module_name, _, path = name.partition(":")
    function: Any = _module(module_name)
    _require_own(module_name.partition(".")[0], directory)
    for part in path.split("."):
        if not hasattr(function, part):
            raise FunctionError(f"names {path!r}, which module {module_name} does not have")
        function = getattr(function, part)
    if not callable(function):
        raise FunctionError(f"names {path!r} of module {module_name}, which is no function")
    _send_by_value(sys.modules[module_name], directory)
    return function  # type: ignore[no-any-return]


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            message = (
                f"names module {name}, which is neither in the folder of the job file nor installed"
            )
            raise FunctionError(message) from None
        raise FunctionError(_raised(name, error)) from error
    except (Exception, SystemExit) as error:
        raise FunctionError(_raised(name, error)) from error


def _require_own(name: str, directory: str) -> None:
    """Refuse a module if this process has imported another one of that name before."""
    spec = PathFinder.find_spec(name, [directory])
    there = getattr(sys.modules[name], "__file__", None)
    if spec is None or spec.origin is None or there is None:
        return
    if Path(spec.origin).resolve() != Path(there).resolve():
        message = (
            f"names module {name}, which this process has imported from another folder; give one "
            "of them another name, or use a process of its own"
        )
        raise FunctionError(message)


def _raised(name: str, error: BaseException) -> str:
    last = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"names module {name}, whose import raised {last}{where}"


def _send_by_value(module: ModuleType, directory: str) -> None:
    for other in [module, *_neighbours(directory)]:
        name = other.__name__
        if name.partition(".")[0] != OWN and is_users_own(name):
            cloudpickle.register_pickle_by_value(other)


def _neighbours(directory: str) -> list[ModuleType]:
    """Return the modules of a folder that have been imported."""
    folder = Path(directory).resolve()
    return [
        module
        for name, module in list(sys.modules.items())
        if name != "__main__"
        and getattr(module, "__name__", None) == name
        and (file := getattr(module, "__file__", None))
        and folder in Path(file).resolve().parents
    ]


def require_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Refuse unknown arguments of a function, and missing ones.

    Raises
    ------
    FunctionError
        Names them.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: its call will raise the error
        return
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        raise FunctionError(f"does not fit the function: {error}") from None
