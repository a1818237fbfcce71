"""Finds the lines of a traceback that are the user's own code, wherever it ran. Pure.

A function of a script or a notebook is sent to its workers by value, and cloudpickle omits its file
(since 3.1). So its text is sent along, for tracebacks that look as if it had failed here.
"""

from __future__ import annotations

import functools
import linecache
import os
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType, TracebackType
from typing import Any

DYNAMIC = "<dynamic-code>"
"""The file name that cloudpickle gives a function it sends by value."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""

MOST_FUNCTIONS = 50
"""Functions whose text is sent along; more would make every task larger."""

MOST_THINGS = 10_000
"""Objects that are searched for functions, at most."""

_HOLDS: dict[type, str] = {MethodType: "__func__", functools.partial: "func"}
"""Attributes in which Python's own callables keep the function they call."""

_OURS = ("mapper_dask.mapping.transform",)
"""Modules of this library whose objects call a function of the user's."""

Hide = Callable[[str], str]

LONGEST_TEXT = 10_000
"""Characters of an exception's text that are kept."""

LINES_SHOWN = 6
"""Lines of one exception that are shown, from both ends: a recursion has a thousand."""

LINKS_SHOWN = 3
"""Exceptions of a chain that are shown."""

LONGEST_LINE = 160

CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"

LIBRARY = str(Path(__file__).parent) + os.sep
"""The folder of this library."""
_PYTHON = sysconfig.get_path("stdlib")


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code in a traceback."""

    file: str
    number: int
    function: str
    text: str
    """The source line; empty where it cannot be found."""

    def __str__(self) -> str:
        where = f'  File "{self.file}", line {self.number}, in {self.function}'
        return f"{where}\n    {short(self.text)}" if self.text else where

    def with_text(self, hide: Hide) -> CodeLine:
        """Return it with another text."""
        return replace(self, text=hide(self.text))

    @property
    def place(self) -> str:
        """File, line and function as one text."""
        return f"{self.file}, line {self.number}, in {self.function}"


@dataclass(frozen=True, slots=True)
class FunctionText:
    """The text of a function that is sent by value."""

    file: str
    first: int
    """Number of its first line."""
    lines: tuple[str, ...]

    def line(self, number: int, function: str) -> CodeLine:
        """Return a line of it."""
        place = number - self.first
        text = self.lines[place] if 0 <= place < len(self.lines) else ""
        return CodeLine(self.file, number, function, text.strip())


Code = Mapping[tuple[str, int], FunctionText]
"""By a function's name and the number of its first line."""

NO_CODE: Code = {}


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception with the user's lines of its traceback."""

    error: BaseException
    lines: tuple[CodeLine, ...]
    caused: bool = False
    """Whether it is the cause of the one shown after it, and not only its context."""


def failures(error: BaseException, code: Code = NO_CODE) -> list[Failure]:
    """Return an exception, then those that led to it, up to one of other people's code.

    Parameters
    ----------
    code
        The text of functions that were sent here by value.
    """
    found = [Failure(error, _lines(error, code) or _outer(error))]
    while len(found) < LINKS_SHOWN:
        last = found[-1].error
        before = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if before is None or any(before is one.error for one in found):
            break
        lines = _lines(before, code)
        if not lines and before.__traceback__ is not None:
            break
        found.append(Failure(before, lines, caused=last.__cause__ is not None))
    return found


def formatted(found: list[Failure], hide: Hide = str) -> str:
    """Return exceptions as Python prints them, with the user's lines only; empty without any.

    Parameters
    ----------
    hide
        Masks what a text must not show, before it is cut.
    """
    if not found[0].lines:
        return ""
    parts = []
    for one in reversed(found):
        head = ["Traceback (most recent call last):"] if one.lines else []
        parts += [*head, *_shown(one.lines, hide)]
        parts += [hide("".join(traceback.format_exception_only(one.error)).rstrip())]
        if one is not found[0]:
            parts += ["", CAUSE if one.caused else CONTEXT, ""]
    return "\n".join(parts)


def said(error: BaseException, hide: Hide = str) -> str:
    """Return an exception's text, even if its ``__str__`` raises.

    A long one is cut, since it may hold data: it is put into results, logs and the ledger. What it
    must not show is hidden first: a secret at the cut would not be found any more.
    """
    try:
        text = hide(str(error))
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
    except (Exception, SystemExit):  # noqa: BLE001 - but not KeyboardInterrupt
        return "(its text cannot be shown: __str__ raises)"


def ends(lines: tuple[CodeLine, ...]) -> tuple[CodeLine, ...]:
    """Return the first and the last of many lines."""
    half = LINES_SHOWN // 2
    return lines if len(lines) <= LINES_SHOWN else (*lines[:half], *lines[-half:])


def _shown(lines: tuple[CodeLine, ...], hide: Hide) -> list[str]:
    shown, more = [str(line.with_text(hide)) for line in ends(lines)], len(lines) - LINES_SHOWN
    if more > 0:
        shown.insert(LINES_SHOWN // 2, f"  … {more:,} more lines")
    return shown


def _lines(error: BaseException, code: Code) -> tuple[CodeLine, ...]:
    walked = traceback.walk_tb(error.__traceback__)
    return tuple(_line(frame, number, code) for frame, number in walked if is_own(frame))


def _outer(error: BaseException) -> tuple[CodeLine, ...]:
    """Return the first and the last line of a function that was installed."""
    walked = list(traceback.walk_tb(error.__traceback__))
    theirs = [one for one in walked if not one[0].f_code.co_filename.startswith(LIBRARY)]
    ends = theirs if len(theirs) < 2 else [theirs[0], theirs[-1]]  # noqa: PLR2004 - both ends
    return tuple(_line(frame, number, NO_CODE) for frame, number in ends)


def _line(frame: FrameType, number: int, code: Code) -> CodeLine:
    made = frame.f_code
    if made.co_filename == DYNAMIC:
        sent = code.get((made.co_name, made.co_firstlineno))
        if sent is not None:
            return sent.line(number, made.co_name)
    text = linecache.getline(made.co_filename, number, frame.f_globals)
    return CodeLine(made.co_filename, number, made.co_name, text.strip())


def short(text: str) -> str:
    """Return a source line, cut if it is long."""
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"


def is_own(frame: FrameType) -> bool:
    """Return whether a frame is the user's own code: not Python's, installed, or this library's.

    The cells of a notebook, a prompt and functions sent by value count as the user's own.
    """
    return _is_own_file(frame.f_code.co_filename)


@functools.lru_cache(maxsize=1024)
def _is_own_file(name: str) -> bool:
    if name.startswith(("<frozen", LIBRARY, _PYTHON)) or name.endswith((".pyx", ".pxi")):
        return False
    return not INSTALLED & set(Path(name).parts)


def cut(error: BaseException) -> None:
    """Cut the tracebacks of an exception and of those that led to it to the user's frames."""
    found = failures(error)
    for one in found:
        one.error.__traceback__ = _of_own(one.error.__traceback__)
    last = found[-1].error
    if last.__cause__ is None or last.__cause__.__traceback__ is not None:
        last.__cause__ = None
        last.__suppress_context__ = True


def _of_own(trace: TracebackType | None) -> TracebackType | None:
    own: list[TracebackType] = []
    while trace is not None:
        if is_own(trace.tb_frame):
            own.append(trace)
        trace = trace.tb_next
    kept = None
    for one in reversed(own if len(own) <= LINES_SHOWN else [own[0], *own[1 - LINES_SHOWN :]]):
        kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def code_of(function: Callable[..., Any] | None) -> Code:
    """Return the text of a function and of those it calls, where they are sent by value.

    Empty where it cannot be found: it only helps to explain an error.
    """
    try:
        return _code_of(function)
    except Exception:  # noqa: BLE001 - a user's objects may raise anything
        return NO_CODE


def _code_of(function: Callable[..., Any] | None) -> Code:
    found: dict[tuple[str, int], FunctionText] = {}
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting and len(found) < MOST_FUNCTIONS and len(seen) < MOST_THINGS:
        thing = waiting.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        waiting += _within(thing)
        if isinstance(thing, FunctionType) and _by_value(thing):
            found |= {(c.co_name, c.co_firstlineno): _source(c) for c in _codes(thing.__code__)}
            named = {name for c in _codes(thing.__code__) for name in c.co_names}
            waiting += [thing.__globals__[name] for name in named if name in thing.__globals__]
    return {key: source for key, source in found.items() if source.lines}


def _within(thing: Any) -> list[Any]:
    """Return the callables that a callable may call."""
    if isinstance(thing, FunctionType):
        cells = thing.__closure__ or ()
        return [c.cell_contents for c in cells if callable(_content(c))]
    if isinstance(thing, type):
        return list(vars(thing).values()) if thing.__module__ == "__main__" else []
    kind = type(thing)  # not thing.__class__ or its attributes: a proxy or a mock has them all
    inner = "function" if kind.__module__ in _OURS else _HOLDS.get(kind)
    held = getattr(thing, inner, None) if inner else None
    return [*([held] if callable(held) else []), *([kind] if kind.__module__ == "__main__" else [])]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _by_value(function: FunctionType) -> bool:
    return function.__module__ == "__main__" or "<" in function.__qualname__


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _source(code: CodeType) -> FunctionText:
    numbers = [number for _, _, number in code.co_lines() if number is not None]
    first, last = code.co_firstlineno, max(numbers, default=code.co_firstlineno)
    lines = linecache.getlines(code.co_filename)[first - 1 : last]
    return FunctionText(code.co_filename, first, tuple(line.rstrip("\n") for line in lines))
