"""Errors of a column mapping's steps: they name the step and the column, and show no value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StepError(ValueError):
    """A step that does not fit the frame; the text begins with the step's name."""

    @property
    def field(self) -> str:
        """The field of the job file, such as ``transform.rename``."""
        return f"transform.{str(self).partition(' ')[0].rstrip(':')}"


class NoColumnError(StepError):
    """A step that names a column which is not in the frame."""


def no_column(step: str, name: str, columns: Iterable[str]) -> NoColumnError:
    """Return the error of a step that names a column which is not in the frame."""
    known = [str(column) for column in columns]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    there = f"there is no column {name!r}, only {', '.join(map(repr, known))}"
    return NoColumnError(f"{step}: {there}{hint}")
