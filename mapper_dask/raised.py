"""Sends an exception of the user's function back from a worker, with its traceback.

An exception pickles without its traceback and its cause, so both are sent beside it: the user's own
lines only, as texts, without the values of variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType, TracebackType

import cloudpickle

from mapper_dask.users_code import CodeLine, Failure, ends, short

MOST_BYTES = 65_536
"""A larger exception probably holds data, and is not sent."""


@dataclass(frozen=True, slots=True)
class PickledError:
    """One exception of a chain."""

    pickled: bytes
    lines: tuple[CodeLine, ...]
    caused: bool
    """Whether it is the cause of the one before it here."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception as it is sent."""

    links: tuple[PickledError, ...]
    """The exception, then those that led to it."""

    @property
    def place(self) -> str:
        """The last of the user's lines in its traceback; empty where there is none."""
        lines = self.links[0].lines
        return lines[-1].place if lines else ""

    def revived(self) -> BaseException | None:
        """Return the exception, with those that led to it; None if it cannot be unpickled here."""
        made = [_revived(link) for link in self.links]
        errors = [error for error in made if error is not None]
        if made[0] is None:
            return None
        for error, before, link in zip(errors, errors[1:], self.links[1:], strict=False):
            error.__context__ = before
            error.__cause__ = before if link.caused else None
            error.__suppress_context__ = link.caused
        return errors[0]


def kept(failures: list[Failure]) -> Raised | None:
    """Return exceptions as they are sent; None if the first cannot be pickled."""
    links = []
    for failure in failures:
        pickled = _pickled(failure.error)
        if pickled is None:
            break
        lines = tuple(line.with_text(short) for line in ends(failure.lines))
        links.append(PickledError(pickled, lines, failure.caused))
    return Raised(tuple(links)) if links else None


def _pickled(error: BaseException) -> bytes | None:
    try:
        pickled: bytes = cloudpickle.dumps(error)
        alike = type(cloudpickle.loads(pickled)) is type(error)
    except (Exception, SystemExit):  # noqa: BLE001 - a user's class may raise anything
        return None
    return pickled if alike and len(pickled) <= MOST_BYTES else None


def _revived(link: PickledError) -> BaseException | None:
    try:
        error = cloudpickle.loads(link.pickled)
    except (Exception, SystemExit):  # noqa: BLE001 - its module may be missing here
        return None
    if not isinstance(error, BaseException):
        return None
    return error.with_traceback(_trace(link.lines))


def _trace(lines: tuple[CodeLine, ...]) -> TracebackType | None:
    """Return a traceback of lines of files, made by raising in a stub at each of them."""
    trace = None
    for line in reversed(lines):
        code = _stub.__code__.replace(
            co_filename=line.file,
            co_name=line.function,
            co_qualname=line.function,
            co_firstlineno=line.number,
            co_linetable=_ALL_ONE_LINE,
        )
        try:
            FunctionType(code, {"Passed": Passed, "__name__": "__main__"})()
        except Passed as passed:
            here = passed.__traceback__
            inner = None if here is None else here.tb_next
            if inner is not None:
                trace = TracebackType(trace, inner.tb_frame, inner.tb_lasti, line.number)
    return trace


class Passed(Exception):  # noqa: N818 - not an error
    """Raised to make a traceback with one frame."""


def _stub() -> None:
    raise Passed


_UNITS = len(_stub.__code__.co_code) // 2
_MOST_UNITS = 8
_NO_COLUMNS = 0x80 | 13 << 3
_ALL_ONE_LINE = b"".join(
    bytes([_NO_COLUMNS | min(_MOST_UNITS, _UNITS - done) - 1, 0])
    for done in range(0, _UNITS, _MOST_UNITS)
)
"""The stub's line table: one line, without columns, or Python would underline a part of the user's
line. The format is that of Python 3.11 and later: InternalDocs/code_objects.md."""
