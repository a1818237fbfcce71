"""Rows as a terminal shows them: in columns where those fit its width, else below each other."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = "  "
"""Between two columns."""

PIPED = 80
"""Columns that a line has at most where no terminal says how many it has."""

LABEL = re.compile(r"\s*\S+\s{2,}")
"""A label before a text: what does not fit in the line goes on below the text."""


def room() -> int:
    """Return the columns that a line may take: a terminal's, or 80 where there is none."""
    return shutil.get_terminal_size((PIPED, 24)).columns


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    stacked: bool = False,
    most: int | None = None,
) -> str:
    """Return rows under their heads, numbers to the right, no line longer than there is room.

    A table that is too wide has cells of several lines; or, stacked, each first cell on a line of
    its own. Where that is too wide, too, each cell stands on a line, behind its head.

    Parameters
    ----------
    stacked
        Whether no cell but the first is a text of many words.
    most
        Columns of a line; None: as many as there is room for.
    """
    made = _Table(
        tuple(heads), [[_cell(value) for value in row] for row in rows], _right(heads, rows)
    )
    width = room() if most is None else most
    lines = list(made.plain())
    if _widest(lines) > width:
        lines = list(made.stacked(width) if stacked else made.wrapped(width))
    if _widest(lines) > width:
        lines = list(made.records(width))
    return "\n".join(lines)


def fitted(text: str, most: int | None = None) -> str:
    """Return a text whose lines are no longer than there is room, unless a word is."""
    width = room() if most is None else most
    return "\n".join(part for line in text.splitlines() for part in _fitted(harmless(line), width))


def harmless(text: str) -> str:
    """Return a text without what a terminal would obey: names and errors may be anybody's."""
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells as texts, in lines of them."""

    heads: tuple[str, ...]
    rows: list[list[str]]
    right: Sequence[bool]
    """Whether a column's cells stand to its right."""

    def plain(self) -> Iterator[str]:
        """Yield each row as a line."""
        yield from self._in_columns([_widest(column) for column in self._columns()])

    def wrapped(self, width: int) -> Iterator[str]:
        """Yield rows whose cells take as many lines as they need."""
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
        """Yield each cell on a line, behind its head."""
        label = _widest(self.heads)
        for number, row in enumerate(self.rows):
            if number:
                yield ""
            for head, cell in zip(self.heads, row, strict=True):
                yield from _fitted(f"{_padded(head, label)}{GAP}{cell}", width)

    def _columns(self) -> list[list[str]]:
        return [[head, *(row[n] for row in self.rows)] for n, head in enumerate(self.heads)]

    def _widths(self, width: int) -> list[int]:
        """Return how wide each column is where all of them have so much room."""
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
    """Return a width for each column: what its longest word needs, and a share of what is left."""
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
    """Yield the lines of a text of so many columns; a longer word stands alone."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and _wide(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def _fitted(line: str, width: int) -> Iterator[str]:
    """Yield a line, and what of it does not fit below it, further in."""
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
    """Return how many columns a terminal gives a text."""
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
