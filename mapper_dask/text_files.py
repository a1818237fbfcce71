"""Texts that people write into files: UTF-8, with or without a byte order mark. Light.

A byte order mark is what some editors put before a text to say how it is encoded. It is no part of
the text: passed on, it would be the first character of a query, which no database takes. What is
encoded otherwise is refused, with the place and the way to mend it, and never guessed.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path

BYTE_ORDER_MARK = "\ufeff"

_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class NotTextError(ValueError):
    """Bytes that are not UTF-8; the message says what they are, where, and how to convert them."""

    def __init__(self, what: str, before: str = "") -> None:
        self.what = what
        """The same without the place."""
        self.before = before
        """The text up to the first byte that does not fit."""
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        super().__init__(f"{what}; line {line}, character {column}" if before else what)


def decoded(raw: bytes) -> str:
    """Return the text of UTF-8 bytes, without a byte order mark; raise NotTextError for others."""
    for mark, name in _OTHER_MARKS:
        if raw.startswith(mark):
            message = f"is {name}, not UTF-8: save it as UTF-8 (iconv -f {name} -t UTF-8)"
            raise NotTextError(message)
    if b"\0" in raw[:4]:
        message = "holds NUL bytes, as UTF-16 does, and is not UTF-8: save it as UTF-8"
        raise NotTextError(message)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        message = "is not UTF-8: save it as UTF-8 (from Latin-1 by iconv -f LATIN1 -t UTF-8)"
        raise NotTextError(message, before) from None


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file, its line ends as they are in Python.

    Raises
    ------
    OSError
        When it cannot be read.
    NotTextError
        When it is not UTF-8.
    """
    return decoded(Path(path).read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
