"""Converts pydantic's errors to plain messages with a place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from mapper_dask.jobfile.models import OURS, File
from mapper_dask.jobfile.places import Node, Path, Place, SourceFile

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
}
"""The expected value, by the kind of an error."""

_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
}


def validated(tree: Node, source: SourceFile) -> File:
    """Return the content of a tree, with its shape checked.

    Raises
    ------
    JobFileError
        The first value, from the top, of another shape.
    """
    try:
        return File.model_validate(tree.plain())
    except ValidationError as error:
        _refuse(error, tree, source)


def _refuse(error: ValidationError, tree: Node, source: SourceFile) -> NoReturn:
    """Raise the first of some errors, from the top of the file."""
    found = error.errors(include_url=False)
    # A misspelt key is missing, too; the error of the misspelt one is of more use.
    shown = [one for one in found if one["type"] != "missing"] or found
    path, place, message = min((_located(one, tree) for one in shown), key=_order)
    source.refuse(place, message, path)


def _order(found: tuple[Path, Place, str]) -> tuple[Place, bool, int]:
    path, place, _ = found
    # An error in the defaults is one of every job, too; it is reported in the defaults.
    return place, path[:1] != ("defaults",), len(path)


def _located(error: Any, tree: Node) -> tuple[Path, Place, str]:
    path = _real_path(error["loc"], tree, keep_last=error["type"] in ("missing", "extra_forbidden"))
    unknown = error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",)
    place = tree.key(path) if unknown else tree.nearest(path)
    return path, place, _message(error, path, tree)


def _real_path(loc: Sequence[str | int], tree: Node, *, keep_last: bool) -> Path:
    """Return the path of the file's own keys, without the names of types that pydantic adds."""
    node, path = tree, []
    for index, part in enumerate(loc):
        child = node.get(part)
        if child is None:
            if keep_last and index == len(loc) - 1:
                path.append(part)
            continue
        path.append(part)
        node = child
    return tuple(path)


def _message(error: Any, path: Path, tree: Node) -> str:
    kind, context = error["type"], error.get("ctx", {})
    node = tree.get(*path)
    said: dict[str, Callable[[], str]] = {
        "missing": lambda: f"is missing{_ADD.get(str(path[-1]), '')}",
        "extra_forbidden": lambda: f"is not known; {_meant(path)}",
        "literal_error": lambda: _choice(context["expected"], node),
        "greater_than_equal": lambda: f"must be at least {context['ge']}",
        "greater_than": lambda: f"must be above {context['gt']}",
        "too_short": lambda: "is empty",
        OURS: lambda: _unless_filled(str(context["text"]), node),
    }
    return said[kind]() if kind in said else _kind(kind, node, tree)


def _unless_filled(text: str, node: Node | None) -> str:
    """Return a text, or a general one if it would show a variable's value."""
    nodes = [] if node is None else [found for _, found in node.walk()]
    shown = any(found.filled and str(found.value) and str(found.value) in text for found in nodes)
    return "is not allowed here (from a variable, not shown)" if shown else text


def _kind(kind: str, node: Node | None, tree: Node) -> str:
    """Return the message of a value of another type."""
    wanted = _WANTED.get(kind)
    if wanted is None:
        return "is not allowed here"
    value = None if node is None else node.value
    found = _KINDS.get(type(value), "a day or time")
    whole = "; a job file begins with version: 1 and jobs:" if node is tree else ""
    return f"must be {wanted}, is {found}{_quotes(kind, node)}{whole}"


def _quotes(kind: str, node: Node | None) -> str:
    scalar = node is not None and not isinstance(node.value, (Mapping, list, type(None)))
    return ": put it in quotes" if kind == "string_type" and scalar else ""


def _choice(expected: str, node: Node | None) -> str:
    """Return the allowed words, with a similar one; a value from a variable is not shown."""
    options = [option.strip("'") for option in expected.replace(" or ", ", ").split(", ")]
    wanted = f"must be {', '.join(options[:-1])} or {options[-1]}".replace("be  or", "be")
    if node is None or node.filled or not isinstance(node.value, str):
        return wanted
    near = difflib.get_close_matches(node.value.lower(), options, n=1)
    return f"{wanted}; did you mean {near[0]!r}?" if near else wanted


_ADD = {
    "version": "; write version: 1 in the first line",
    "jobs": "; write jobs: and below it each job under its name",
    "column": "; name the column whose values grow",
}
"""Remedies for missing keys, by their names."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the name that is meant, else all names."""
    listed = list(known)
    near = difflib.get_close_matches(name.lower(), listed, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(listed)}" if listed else "there are none"


def _meant(path: Path) -> str:
    """Return a hint for an unknown key, which may be one of another place."""
    name, known = str(path[-1]), _keys_at(path[:-1])
    within = [key for key in known if name in _keys_at((*path[:-1], key))]
    if within:
        return f"it belongs under {' or '.join(within)}"
    parts = [key for key in known if key in name.split("_")]
    return f"did you mean {parts[0]!r}?" if len(parts) == 1 else nearest(name, known)


def _keys_at(path: Path) -> list[str]:
    """Return the keys of the mapping at a path."""
    model: Any = File
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {f.alias or name: f for name, f in model.model_fields.items()}
            found = fields.get(str(part))
            model = _inner(found.annotation) if found is not None else None
        elif isinstance(model, tuple):
            model = model[0]
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [f.alias or name for name, f in model.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """Return the model of an annotation; of a mapping, a tuple with its values' model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments: tuple[Any, ...] = getattr(annotation, "__args__", ())
    if getattr(annotation, "__origin__", None) is dict:
        return (_inner(arguments[-1]),)
    return next((found for a in arguments if (found := _inner(a)) is not None), None)
