"""Classes that answer an unknown option with the one that was probably meant."""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar

from mapper_dask.errors import UnknownOptionError
from mapper_dask.near import did_you_mean, listed

T = TypeVar("T")


def with_known_options(cls: type[T]) -> type[T]:
    """Make a class raise UnknownOptionError, with the likely name, for an unknown argument."""
    plain: Any = cls.__init__
    known = [name for name in inspect.signature(plain).parameters if name != "self"]

    @functools.wraps(plain)
    def init(self: T, *args: Any, **options: Any) -> None:
        for name in options:
            if name not in known:
                raise unknown(cls.__name__, name, known)
        plain(self, *args, **options)

    cls.__init__ = init  # type: ignore[method-assign, assignment]
    return cls


def unknown(owner: str, name: str, known: list[str], remedy: str = "") -> UnknownOptionError:
    """Return the error about an unknown option."""
    rest = f"; it has {listed(sorted(known), 30)}"
    end = remedy or did_you_mean(name, known, otherwise=rest)
    message = f"{owner} has no option {name!r}{end}"
    return UnknownOptionError(message, field=name)
