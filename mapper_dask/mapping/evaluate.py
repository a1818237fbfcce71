"""An expression over Arrow columns. Pure.

Values keep their types: decimals stay decimals, a number that overflows or a division by zero
raises, NULL is SQL's. Only ``/`` of two whole numbers makes a float, as it does in Python.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mapper_dask.mapping.casts import CastError, cast, family
from mapper_dask.mapping.types import MOST_DIGITS, type_named

Value = Any
"""A pyarrow Array or Scalar."""

_ARITHMETIC = {
    ast.Add: "add_checked",
    ast.Sub: "subtract_checked",
    ast.Mult: "multiply_checked",
    ast.Div: "divide_checked",
}

_COMPARISON = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}

_PLAIN = {
    "abs": "abs_checked",
    "ceil": "ceil",
    "day": "day",
    "floor": "floor",
    "hour": "hour",
    "length": "utf8_length",
    "lower": "utf8_lower",
    "minute": "minute",
    "month": "month",
    "second": "second",
    "strip": "utf8_trim_whitespace",
    "upper": "utf8_upper",
    "year": "year",
}
"""Functions that are Arrow's own, of one value."""

_FALSE = pa.scalar(False)  # noqa: FBT003

_TIMES = ("date", "timestamp", "timestamptz")


def evaluate(tree: ast.expr, column: Callable[[str], pa.Array], rows: int) -> pa.Array:
    """Return an expression's values.

    Parameters
    ----------
    tree
        An expression that :func:`~mapper_dask.mapping.expressions.parse` has checked.
    column
        What gives a column by its name.
    rows
        How many values there are to be.

    Raises
    ------
    CastError, pyarrow.ArrowException
        When values do not go together, or a result fits no type.
    """
    made = _Evaluation(column).value(tree)
    if isinstance(made, pa.Scalar):
        made = pa.repeat(made, rows)
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    return _narrowed(made)


def _narrowed(array: pa.Array) -> pa.Array:
    """Return decimals in the 128 bits that every column takes, where they fit."""
    kind = array.type
    if not pa.types.is_decimal256(kind) or kind.scale > MOST_DIGITS:
        return array
    try:
        return pc.cast(array, pa.decimal128(MOST_DIGITS, kind.scale))
    except pa.ArrowInvalid:
        return array


class _Evaluation:
    """One walk over a tree."""

    def __init__(self, column: Callable[[str], pa.Array]) -> None:
        self.column = column

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return pa.scalar(node.value)
            case ast.Name():
                return self.column(node.id)
            case ast.BinOp():
                return _arithmetic(node.op, self.value(node.left), self.value(node.right))
            case ast.Call(func=ast.Name(id=name)):
                return self._called(name, node.args)
        return self._logical(node)

    def _logical(self, node: ast.expr) -> Value:
        match node:
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                name = "and_kleene" if isinstance(node.op, ast.And) else "or_kleene"
                parts = [self.value(part) for part in node.values]
                return functools.reduce(functools.partial(_call, name), parts)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return self._choice(node)
        message = f"{type(node).__name__} is no part of an expression"
        raise CastError(message)

    def _unary(self, node: ast.UnaryOp) -> Value:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        return _call("invert" if isinstance(node.op, ast.Not) else "negate_checked", operand)

    def _comparison(self, node: ast.Compare) -> Value:
        found, left = [], self.value(node.left)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.Is, ast.IsNot)):
                name = "is_null" if isinstance(operator, ast.Is) else "is_valid"
                found.append(_call(name, left))
            elif isinstance(operator, (ast.In, ast.NotIn)):
                found.append(self._in(left, right, negated=isinstance(operator, ast.NotIn)))
            else:
                other = self.value(right)
                found.append(_call(_COMPARISON[type(operator)], *_aligned(left, other)))
                left = other
        return functools.reduce(functools.partial(_call, "and_kleene"), found)

    def _in(self, left: Value, listed: ast.expr, *, negated: bool) -> Value:
        assert isinstance(listed, (ast.List, ast.Tuple))  # noqa: S101 - parse has checked it
        equal = [_call("equal", *_aligned(left, self.value(e))) for e in listed.elts]
        found = functools.reduce(functools.partial(_call, "or_kleene"), equal)
        return _call("invert", found) if negated else found

    def _choice(self, node: ast.IfExp) -> Value:
        test = _call("coalesce", self.value(node.test), _FALSE)
        body, otherwise = _aligned(self.value(node.body), self.value(node.orelse))
        return _call("if_else", test, body, otherwise)

    def _called(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "column":
            return self.column(_text(arguments[0]))
        value = self.value(arguments[0])
        if name == "replace":
            old, new = map(_text, arguments[1:])
            return pc.replace_substring(value, pattern=old, replacement=new)
        if name == "cast":
            return _cast(value, _text(arguments[1]))
        others = [self.value(argument) for argument in arguments[1:]]
        if name in _OF_SEVERAL:
            return functools.reduce(_OF_SEVERAL[name], others, value)
        return _rounded(value, others) if name == "round" else _call(_PLAIN[name], value)


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _cast(value: Value, name: str) -> Value:
    if isinstance(value, pa.Scalar):
        return cast(pa.repeat(value, 1), type_named(name))[0]
    return cast(value, type_named(name))


def _rounded(value: Value, digits: list[Value]) -> Value:
    places = int(digits[0].as_py()) if digits else 0
    return pc.round(value, ndigits=places, round_mode="half_towards_infinity")


def _coalesced(one: Value, other: Value) -> Value:
    return _call("coalesce", *_aligned(one, other))


def _nothing_if(value: Value, other: Value) -> Value:
    value, other = _aligned(value, other)
    same = _call("coalesce", _call("equal", value, other), _FALSE)
    return _call("if_else", same, pa.scalar(None, value.type), value)


_OF_SEVERAL: dict[str, Callable[[Value, Value], Value]] = {
    "coalesce": _coalesced,
    "nullif": _nothing_if,
}


def _call(name: str, *values: Value) -> Value:
    try:
        return pc.call_function(name, list(values))
    except pa.ArrowNotImplementedError:
        kinds = " and ".join(str(value.type) for value in values)
        message = f"{name.removesuffix('_checked').removesuffix('_kleene')} is not for {kinds}"
        raise CastError(message) from None


def _arithmetic(operator: ast.operator, left: Value, right: Value) -> Value:
    left, right = _aligned(left, right)
    if family(left.type) == "text" and isinstance(operator, ast.Add):
        return _call("binary_join_element_wise", left, right, pa.scalar(""))
    return _divided(left, right) if isinstance(operator, ast.Div) else _exact(operator, left, right)


def _divided(left: Value, right: Value) -> Value:
    if family(left.type) == family(right.type) == "int":
        left, right = (pc.cast(value, pa.float64()) for value in (left, right))
    return _exact(ast.Div(), left, right)


def _exact(operator: ast.operator, left: Value, right: Value) -> Value:
    """Return a result of decimals with all its digits: 76 of them where 38 are too few."""
    name = _ARITHMETIC[type(operator)]
    if "decimal" not in (family(left.type), family(right.type)):
        return _call(name, left, right)
    try:
        return _call(name, left, right)
    except pa.ArrowInvalid as error:
        if "precision" not in str(error).lower():
            raise
    return _call(name, _wide(left), _wide(right))


def _wide(value: Value) -> Value:
    if family(value.type) != "decimal":
        return value
    return pc.cast(value, pa.decimal256(value.type.precision, value.type.scale))


def _aligned(left: Value, right: Value) -> tuple[Value, Value]:
    """Return two values of one family: a constant takes that of the other operand."""
    return _beside(left, right), _beside(right, left)


def _beside(value: Value, other: Value) -> Value:
    mine, its = family(value.type), family(other.type)
    if not isinstance(value, pa.Scalar):
        return value
    if not value.is_valid:
        return pa.scalar(None, other.type)
    if mine == "float" and its == "decimal":
        return pa.scalar(Decimal(repr(value.as_py())))
    if mine == "text" and its in _TIMES:
        return _cast(value, its)
    return value
