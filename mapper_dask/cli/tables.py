"""Formats rows for a terminal: in columns if those fit its width, else one below the other."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = "  "
"""Between two columns."""

PIPED = 80
"""Greatest length of a line without a terminal."""

LABEL = re.compile(r"\s*\S+\s{2,}")
"""A label before a text: the rest of a long line is below the text."""


def line_width() -> int:
    """Return the greatest length of a line: the terminal's, or 80 without one."""
    return shutil.get_terminal_size((PIPED, 24)).columns


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    stacked: bool = False,
    most: int | None = None,
) -> str:
    """Return rows under their heads, numbers to the right, no line longer than the terminal's.

    A table that is too wide has cells of several lines; or, stacked, each first cell on its own
    line. If that is too wide, too, each cell is on a line, after its head.

    Parameters
    ----------
    stacked
        Whether no cell but the first is a text of many words.
    most
        Greatest length of a line; None: the terminal's.
    """
    made = _Table(
        tuple(heads), [[_cell(value) for value in row] for row in rows], _right(heads, rows)
    )
    width = line_width() if most is None else most
    lines = list(made.plain())
    if _widest(lines) > width:
        lines = list(made.stacked(width) if stacked else made.wrapped(width))
    if _widest(lines) > width:
        lines = list(made.records(width))
    return "\n".join(lines)


def fitted(text: str, most: int | None = None) -> str:
    """Return a text with no line longer than the terminal's, unless a word is."""
    width = line_width() if most is None else most
    return "\n".join(part for line in text.splitlines() for part in _fitted(harmless(line), width))


def harmless(text: str) -> str:
    """Return a text with control characters escaped, which may be in names and errors."""
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells as texts, in rows."""

    heads: tuple[str, ...]
    rows: list[list[str]]
    right: Sequence[bool]
    """Whether a column's cells are aligned to the right."""

    def plain(self) -> Iterator[str]:
        """Yield each row as a line."""
        yield from self._in_columns([_widest(column) for column in self._columns()])

    def wrapped(self, width: int) -> Iterator[str]:
        """Yield rows with cells of as many lines as they need."""
        yield from self._in_columns(self._widths(width))

    def stacked(self, width: int) -> Iterator[str]:
        """Yield the first cell of each row on a line, the others below it, under their heads."""
        rest = _Table(self.heads[1:], [row[1:] for row in self.rows], self.right[1:])
        widths = rest._widths(width - len(GAP))
        yield self.heads[0]
        yield from (f"{GAP}{line}" for line in rest._row(rest.heads, widths))
        for row, cells in zip(self.rows, rest.rows, strict=True):
            yield row[0]
            yield from (f"{GAP}{line}" for line in rest._row(cells, widths))

    def records(self, width: int) -> Iterator[str]:
        """Yield each cell on a line, after its head."""
        label = _widest(self.heads)
        for number, row in enumerate(self.rows):
            if number:
                yield ""
            for head, cell in zip(self.heads, row, strict=True):
                yield from _fitted(f"{_padded(head, label)}{GAP}{cell}", width)

    def _columns(self) -> list[list[str]]:
        return [[head, *(row[n] for row in self.rows)] for n, head in enumerate(self.heads)]

    def _widths(self, width: int) -> list[int]:
        """Return the width of each column if all of them have this one."""
        least = [max(_widest(cell.split(" ")) for cell in column) for column in self._columns()]
        wanted = [_widest(column) for column in self._columns()]
        return _shared(least, wanted, width - len(GAP) * (len(least) - 1))

    def _in_columns(self, widths: Sequence[int]) -> Iterator[str]:
        for cells in (self.heads, *self.rows):
            yield from self._row(cells, widths)

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        parts = [list(_words(cell, width)) for cell, width in zip(cells, widths, strict=True)]
        for number in range(max(map(len, parts), default=0)):
            texts = [part[number] if number < len(part) else "" for part in parts]
            made = (
                _padded(text, width, right=right)
                for text, width, right in zip(texts, widths, self.right, strict=True)
            )
            yield GAP.join(made).rstrip()


def _shared(least: Sequence[int], wanted: Sequence[int], width: int) -> list[int]:
    """Return a width for each column: of its longest word, and a share of the rest."""
    widths = list(least)
    left = width - sum(widths)
    while left > 0:
        needing = [n for n, wide in enumerate(widths) if wide < wanted[n]]
        if not needing:
            break
        for n in needing[:left]:
            widths[n] += 1
        left -= len(needing[:left])
    return widths


def _words(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text within a width; a longer word is on its own line."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and _wide(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def _fitted(line: str, width: int) -> Iterator[str]:
    """Yield a line, with its rest on indented lines below it."""
    if _wide(line) <= width:
        yield line
        return
    label = LABEL.match(line)
    begin = label[0] if label is not None and len(label[0]) <= width // 2 else _blanks(line)
    further = " " * (len(begin) if begin.strip() else len(begin) + len(GAP))
    longest = _widest(line.split())
    if longest <= width < len(further) + longest:
        further = " " * (width - longest)
    for number, part in enumerate(_words(line[len(begin) :], width - len(further))):
        yield f"{further if number else begin}{part}".rstrip()


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _wide(text: str) -> int:
    """Return the number of columns of a text on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _widest(texts: Sequence[str]) -> int:
    return max(map(_wide, texts), default=0)


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - _wide(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


def _right(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[bool]:
    return [bool(rows) and all(_is_number(row[n]) for row in rows) for n in range(len(heads))]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else harmless(" ".join(str(value).split()))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
