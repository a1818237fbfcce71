"""What a person sees of an error: their own lines, the error itself, and none of our insides."""

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
        """Return it when all is done; raise RunFailedError when not."""
        ...


R = TypeVar("R", bound=Result)


def judged(result: R, on_failure: OnFailure) -> R:
    """Return a result; raise what failed it, where the caller has not said to look at it instead.

    Raises
    ------
    RunFailedError
        Holds the result.
    """
    return result if on_failure == "return" else result.raise_for_status()


def told_plainly(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method whose errors of this library come without the frames they passed within it.

    A user who calls it has no use for those; the log has them, at DEBUG. What the user's own code
    raised is the error's cause, and keeps the frames of that code.
    """

    @functools.wraps(method)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True  # IPython and pytest leave such a frame out
        plain: BaseException
        try:
            return method(*args, **kwargs)
        except MapperError as error:
            plain = plainly(error)
        except KeyboardInterrupt as interrupt:
            plain = interrupt.with_traceback(None)  # the line that tells of it says all there is
        raise plain  # outside: the handler's frames stay behind

    return told


async def awaited_plainly(work: Awaitable[T]) -> T:
    """Return what is awaited; an error of this library comes as ``told_plainly`` lets it."""
    __tracebackhide__ = True
    try:
        return await work
    except MapperError as error:
        plain = plainly(error)
    raise plain


def plainly(error: MapperError) -> MapperError:
    """Return an error without its frames, and what led to it with the user's only."""
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
    """Write where an error came from: places and kinds, since a text may hold a row's value."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    passed = _places(error)
    if all(place.startswith(__file__) or not place.startswith(LIBRARY) for place in passed):
        return  # it was told before
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
    """Return the lines that an error passed, the innermost first."""
    walked = reversed(list(traceback.walk_tb(error.__traceback__)))
    return [f"{f.f_code.co_filename}:{number} {f.f_code.co_name}" for f, number in walked]
