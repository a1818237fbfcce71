"""Shortens the tracebacks that users see: their own lines and the error, no frames of ours."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Literal, ParamSpec, Protocol, Self, TypeVar

from mapper_dask.errors import MapperError
from mapper_dask.log import log, logger
from mapper_dask.users_code import LIBRARY, cut

OnFailure = Literal["raise", "return"]
"""What a call does when its run has failed."""

P = ParamSpec("P")
T = TypeVar("T")


class Result(Protocol):
    """The outcome of a run or of a flow."""

    def raise_for_status(self) -> Self:
        """Return itself if all succeeded; raise RunFailedError if not."""
        ...


R = TypeVar("R", bound=Result)


def judged(result: R, on_failure: OnFailure) -> R:
    """Return a result; raise its failure, unless ``on_failure`` is "return".

    Raises
    ------
    RunFailedError
        With the result.
    """
    return result if on_failure == "return" else result.raise_for_status()


def without_frames(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method whose errors are raised without the frames of this library.

    They are of no use to its caller; they are logged, at DEBUG. What the user's own code raised is
    the error's cause, and keeps the frames of that code.
    """

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True  # IPython and pytest leave such a frame out
        plain: BaseException
        try:
            return method(*args, **kwargs)
        except MapperError as error:
            plain = plainly(error)
        except KeyboardInterrupt as interrupt:
            plain = interrupt.with_traceback(None)  # its message is enough
        raise plain  # outside the handler, or the error would get it as its context

    return wrapper


async def awaited_without_frames(work: Awaitable[T]) -> T:
    """Await and return a result; its errors are raised as by ``without_frames``."""
    __tracebackhide__ = True
    try:
        return await work
    except MapperError as error:
        plain = plainly(error)
    raise plain


def plainly(error: MapperError) -> MapperError:
    """Return an error without its frames, and its cause with the user's frames only."""
    _keep_in_log(error)
    error.__traceback__ = None
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is None:
        return error
    if error.__cause__ is None:
        error.__suppress_context__ = True
    else:
        cut(before)
    return error


def _keep_in_log(error: MapperError) -> None:
    """Log an error's frames and kind; not its text, which may hold a row's value."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    passed = _places(error)
    if all(place.startswith(__file__) or not place.startswith(LIBRARY) for place in passed):
        return  # it was logged before
    cause = error.__cause__
    log(
        "error_told",
        logging.DEBUG,
        run=error.details.get("run_id"),
        error=type(error).__name__,
        passed=" < ".join(passed),
        cause=None if cause is None else type(cause).__name__,
        cause_passed=None if cause is None else " < ".join(_places(cause)),
    )


def _places(error: BaseException) -> list[str]:
    """Return the lines of an error's traceback, the innermost first."""
    walked = reversed(list(traceback.walk_tb(error.__traceback__)))
    return [f"{f.f_code.co_filename}:{number} {f.f_code.co_name}" for f, number in walked]
