"""``${NAME}`` and ``${NAME:-default}`` in values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mapper_dask.jobfile.scalars import value_of

_VARIABLE = re.compile(
    r"\$(?P<literal>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-(?P<text>[^}]*))?\}"
    r"|(?P<wrong>\$\{)"
)


class Filled(str):
    """A text with variables filled in, whose place decides whether it is a text or a number."""

    __slots__ = ("bare",)
    bare: bool
    """Whether it was written without quotes, so that it may be a number or a day anywhere."""


def meant(value: Any) -> Any:
    """Return a value's meaning where any type is allowed: as if it had been written there.

    Raises
    ------
    ValueError
        When it is nearly a number or a day.
    """
    if isinstance(value, Filled):
        return value_of(str(value)) if value.bare else str(value)
    return value


def wanted_as_value(value: Any) -> Any:
    """Return a value's meaning where no text is wanted.

    Raises
    ------
    ValueError
        When it is nearly a number or a day.
    """
    return value_of(str(value)) if isinstance(value, Filled) else value


def has_variables(text: str) -> bool:
    """Return whether a text has variables, or a literal ``${``."""
    return "${" in text


def filled(text: str, environ: Mapping[str, str]) -> str:
    """Return a text with its variables filled in; ``$${`` is ``${`` itself.

    As in a shell, a default is used if the variable is not set, or empty.

    Raises
    ------
    ValueError
        When a variable without a default is not set, or a ``${`` begins none.
    """

    def one(found: re.Match[str]) -> str:
        if found["literal"]:
            return "${"
        if found["wrong"] or "${" in (found["text"] or ""):
            message = "has a ${ that is neither ${NAME} nor ${NAME:-default}; a literal one is $${"
            raise ValueError(message)
        value = environ.get(found["name"])
        if found["default"] is not None:
            return value or found["text"]
        if value is None:
            name = found["name"]
            message = (
                f"needs the environment variable {name}, which is not set; set it, or give a "
                f"default: ${{{name}:-…}}"
            )
            raise ValueError(message)
        return value

    return _VARIABLE.sub(one, text)
