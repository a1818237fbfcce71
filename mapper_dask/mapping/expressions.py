"""The expressions of a column mapping, read and checked. Pure, and nothing is run.

Python's own grammar is used to read them, and only a small part of it is allowed: columns by their
names, numbers and texts, arithmetic, comparisons, ``and``, ``or``, ``not``, ``in``, ``is None``,
``a if b else c``, and the functions of :data:`FUNCTIONS`. There are no attributes, no indexes, no
names with two underscores, and nothing else that could reach further than the columns.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Iterator
from decimal import Decimal

from mapper_dask.mapping.types import type_named

LONGEST = 4_000
"""Characters of an expression; a longer one should be written as a function."""
DEEPEST = 40
"""Levels of an expression: it is walked by recursion."""

FUNCTIONS = {
    "abs": (1, 1),
    "cast": (2, 2),
    "ceil": (1, 1),
    "coalesce": (2, None),
    "column": (1, 1),
    "day": (1, 1),
    "floor": (1, 1),
    "hour": (1, 1),
    "length": (1, 1),
    "lower": (1, 1),
    "minute": (1, 1),
    "month": (1, 1),
    "nullif": (2, 2),
    "replace": (3, 3),
    "round": (1, 2),
    "second": (1, 1),
    "strip": (1, 1),
    "upper": (1, 1),
    "year": (1, 1),
}
"""What may be called, and with how many arguments: at least, at most (None: any number)."""

_TEXT_ARGUMENTS = {"column": (0,), "cast": (1,), "replace": (1, 2)}
"""Arguments that must be a text in quotes, by their place."""

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_SIGNS = {
    ast.Pow: "**",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.MatMult: "@",
    ast.BitAnd: "& (write and)",
    ast.BitOr: "| (write or)",
}


class ExpressionError(ValueError):
    """An expression that cannot be read, or holds what is not allowed."""


def parse(text: str) -> ast.expr:
    """Return an expression as its tree, every part of which is allowed.

    Raises
    ------
    ExpressionError
        Says what is not allowed, or cannot be read.
    """
    if len(text) > LONGEST:
        message = f"has {len(text):,} characters; {LONGEST:,} are allowed"
        raise ExpressionError(message)
    tree = _read(text.strip())
    _check(tree, text.strip(), 0)
    return tree


def names(tree: ast.expr) -> list[str]:
    """Return the columns an expression uses, each once, in the order of the text."""
    return list(dict.fromkeys(_names(tree)))


def _names(tree: ast.expr) -> Iterator[str]:
    match tree:
        case ast.Name():
            yield tree.id
        case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))]):
            yield name
        case ast.Call():
            for argument in tree.args:
                yield from _names(argument)
        case _:
            for child in ast.iter_child_nodes(tree):
                if isinstance(child, ast.expr):
                    yield from _names(child)


def _read(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and odd literals
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        message = f"cannot be read{place}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        message = "cannot be read: it is too deep, or holds a NUL"
    raise ExpressionError(message)


def _check(node: ast.expr, text: str, depth: int) -> None:
    if depth > DEEPEST:
        message = f"is more than {DEEPEST} levels deep"
        raise ExpressionError(message)
    match node:
        case ast.Constant():
            _check_constant(node, text)
        case ast.Name():
            _check_name(node.id)
        case ast.Call():
            _check_call(node)
        case ast.BinOp():
            _require(isinstance(node.op, _OPERATORS), _operator(node.op))
        case ast.UnaryOp():
            _require(isinstance(node.op, (ast.USub, ast.UAdd, ast.Not)), "~ (write not)")
        case ast.Compare():
            _check_comparison(node)
        case ast.BoolOp() | ast.IfExp():
            pass
        case _:
            raise ExpressionError(f"holds {_word(node)}, which is not allowed here")
    for child in _operands(node):
        _check(child, text, depth + 1)


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from node.args
    elif isinstance(node, ast.Compare):
        yield node.left
        for right in node.comparators:
            yield from right.elts if isinstance(right, (ast.List, ast.Tuple)) else (right,)
    else:
        yield from (c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr))


def _operator(operator: ast.operator) -> str:
    return _SIGNS.get(type(operator), type(operator).__name__)


def _check_constant(node: ast.Constant, text: str) -> None:
    value = node.value
    good = value is None or isinstance(value, (bool, int, float, str))
    _require(good, f"a {type(value).__name__}")
    if isinstance(value, float):
        written = (ast.get_source_segment(text, node) or "").replace("_", "")
        if Decimal(written) != Decimal(repr(value)):
            message = f"holds {written}, which has more digits than a number here can have"
            raise ExpressionError(message)


def _check_name(name: str) -> None:
    _require("__" not in name, f"the name {name}")


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        message = "calls something that is no function of expressions"
        raise ExpressionError(message)
    name = node.func.id
    if name not in FUNCTIONS:
        near = difflib.get_close_matches(name, FUNCTIONS, n=1)
        known = f"did you mean {near[0]}?" if near else f"known are {', '.join(FUNCTIONS)}"
        raise ExpressionError(f"calls {name}, which is no function of expressions; {known}")
    least, most = FUNCTIONS[name]
    plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
    if not plain or len(node.args) < least or (most is not None and len(node.args) > most):
        raise ExpressionError(f"calls {name} with other arguments than it takes")
    for place in _TEXT_ARGUMENTS.get(name, ()):
        _text_of(node, place)
    if name == "cast":
        _check_type(_text_of(node, 1))
    if name == "round" and len(node.args) > 1:
        digits = node.args[1]
        good = isinstance(digits, ast.Constant) and type(digits.value) is int
        _require(good, "digits of round that are no whole number")


def _text_of(call: ast.Call, place: int) -> str:
    argument = call.args[place]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    message = f"calls {ast.unparse(call.func)}, whose argument {place + 1} must be a text in quotes"
    raise ExpressionError(message)


def _check_type(text: str) -> None:
    try:
        type_named(text)
    except ValueError as error:
        raise ExpressionError(f"casts to what is no type: {error}") from None


def _check_comparison(node: ast.Compare) -> None:
    for operator, right in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, (ast.Is, ast.IsNot)):
            null = isinstance(right, ast.Constant) and right.value is None
            _require(null, "is with anything but None")
        elif isinstance(operator, (ast.In, ast.NotIn)):
            listed = isinstance(right, (ast.List, ast.Tuple)) and bool(right.elts)
            if not listed or not all(_is_constant(e) for e in right.elts):  # type: ignore[attr-defined]
                message = "has an in without a list of constants, as in [1, 2]"
                raise ExpressionError(message)
            _require(len(node.ops) == 1, "an in within a chain of comparisons")
        else:
            _require(isinstance(operator, _COMPARISONS), "a comparison of another kind")


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.Constant) and _is_number(node.operand.value)
    return isinstance(node, ast.Constant) and node.value is not None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require(good: bool, what: str) -> None:  # noqa: FBT001
    if not good:
        raise ExpressionError(f"holds {what}, which is not allowed here")


def _word(node: ast.expr) -> str:
    words = {
        ast.Attribute: "an attribute (a dot behind a name)",
        ast.Subscript: "an index ([…] behind a name)",
        ast.Lambda: "a lambda",
        ast.JoinedStr: "an f-string",
        ast.NamedExpr: "an assignment",
        ast.Await: "an await",
        ast.List: "a list",
        ast.Tuple: "a tuple",
        ast.Dict: "a dict",
        ast.Set: "a set",
        ast.Starred: "a star",
    }
    return words.get(type(node), f"a {type(node).__name__}")
