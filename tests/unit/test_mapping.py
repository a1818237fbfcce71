"""Columns that a job file maps: names, types, constants, expressions, and what they never lose."""

from __future__ import annotations

import ast
import datetime as dt
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask import reject
from mapper_dask.ledger.rejects import split_marked
from mapper_dask.ledger.stored_job import function_name
from mapper_dask.mapping import Transform
from mapper_dask.mapping.expressions import ExpressionError, names, parse
from mapper_dask.mapping.types import type_named

BACKENDS = ("pyarrow", "numpy_nullable")
MOMENT = dt.datetime(2024, 1, 31, 10, 20, 30, 5)  # noqa: DTZ001
MIDNIGHT = dt.datetime(2024, 1, 31)  # noqa: DTZ001


def frame_of(values, arrow, backend="pyarrow"):
    """Return a column x as a job's frame has it."""
    from mapper_dask.mapping.casts import to_series

    series = to_series(pa.array(values, arrow), pd.RangeIndex(len(values)), backend)
    return pd.DataFrame({"x": series})


def plain(series):
    return [None if value is pd.NA or value is pd.NaT else value for value in series.tolist()]


# Casts.

KEPT = [
    ("int64", [1, None, -(2**31)], "int32", [1, None, -(2**31)]),
    ("int64", [2**53, None], "float64", [float(2**53), None]),
    ("int64", [5, None], "decimal(10, 2)", [Decimal("5.00"), None]),
    ("int64", [5, None], "text", ["5", None]),
    ("int64", [1, 0, None], "bool", [True, False, None]),
    ("float64", [1.0, None], "int64", [1, None]),
    ("float64", [0.5, None], "float32", [0.5, None]),
    ("float64", [0.1, None], "decimal(3, 2)", [Decimal("0.10"), None]),
    ("float64", [0.1, 1e300], "text", ["0.1", "1e+300"]),
    ("bool", [True, None], "int16", [1, None]),
    ("string", [" 7 ", None], "int64", [7, None]),
    ("string", ["0.1", None], "float64", [0.1, None]),
    ("string", ["1.10", "1E+2", None], "decimal(5, 2)", [Decimal("1.10"), Decimal(100), None]),
    ("string", ["true", "0", None], "bool", [True, False, None]),
    ("string", ["2024-01-31", None], "date", [dt.date(2024, 1, 31), None]),
    ("string", ["2024-01-31 10:20:30.000005", None], "timestamp", [pd.Timestamp(MOMENT), None]),
    ("timestamp", [MIDNIGHT, None], "date", [dt.date(2024, 1, 31), None]),
    ("date", [dt.date(2024, 1, 31), None], "timestamp", [pd.Timestamp(MIDNIGHT), None]),
    ("date", [dt.date(2024, 1, 31), None], "text", ["2024-01-31", None]),
    ("decimal", [Decimal("1.00"), None], "int64", [1, None]),
    ("decimal", [Decimal("0.10"), None], "float64", [0.1, None]),
    ("decimal", [Decimal("0.10"), None], "decimal(2, 1)", [Decimal("0.1"), None]),
    ("decimal", [Decimal("0.10"), None], "text", ["0.10", None]),
]

LOST = [
    ("int64", [2**31], "int32"),
    ("int64", [2**53 + 1], "float64"),
    ("int64", [2**24 + 1], "float32"),
    ("int64", [2], "bool"),
    ("int64", [1000], "decimal(3, 0)"),
    ("float64", [1.5], "int64"),
    ("float64", [float("nan")], "int64"),
    ("float64", [1e30], "int64"),
    ("float64", [0.1], "float32"),
    ("float64", [0.125], "decimal(3, 2)"),
    ("float64", [float("inf")], "decimal(3, 2)"),
    ("float64", [0.5], "bool"),
    ("string", ["seven"], "int64"),
    ("string", ["1.0"], "int64"),
    ("string", ["99999999999"], "int32"),
    ("string", ["0.12345678901234567890"], "float64"),
    ("string", ["1.105"], "decimal(5, 2)"),
    ("string", [f"{2**130}"], "decimal(9, 2)"),  # Arrow alone makes 0.00 of it
    ("string", ["yes"], "bool"),
    ("string", ["2024-02-30"], "date"),
    ("string", ["2024-01-31 10:20:30.0000005"], "timestamp"),
    ("string", ["2024-01-31 10:20:30+01:00"], "timestamp"),
    ("string", ["2024-01-31 10:20:30"], "timestamptz"),
    ("timestamp", [MOMENT], "date"),
    ("decimal", [Decimal("1.50")], "int64"),
    ("decimal", [Decimal("0.11")], "decimal(2, 1)"),
    ("decimal", [Decimal("12345678901234567.89")], "float64"),
    ("decimal", [Decimal("100.00")], "decimal(3, 2)"),
]

NO_WAY = [
    ("timestamp", "int64"),
    ("timestamp", "timestamptz"),
    ("date", "int32"),
    ("bool", "float64"),
    ("int64", "date"),
    ("int64", "timestamp"),
    ("float64", "timestamp"),
    ("decimal", "bool"),
]

ARROW = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "decimal": pa.decimal128(30, 2),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "values", "wanted", "expected"), KEPT)
def test_a_cast_keeps_every_value(kind, values, wanted, expected, backend):
    frame = frame_of(values, ARROW[kind], backend)

    made = Transform(cast={"x": wanted}, dtype_backend=backend)(frame)["x"]

    assert plain(made) == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "values", "wanted"), LOST)
def test_a_cast_that_would_lose_a_value_raises_and_does_not_show_it(kind, values, wanted, backend):
    frame = frame_of([*values, None], ARROW[kind], backend)

    with pytest.raises(ValueError, match=r"^cast of x: holds a value that .* does not hold") as e:
        Transform(cast={"x": wanted}, dtype_backend=backend)(frame)

    assert str(values[0]) not in str(e.value)
    assert e.value.__suppress_context__


@pytest.mark.parametrize(("kind", "wanted"), NO_WAY)
def test_types_that_have_nothing_in_common_are_not_cast(kind, wanted):
    with pytest.raises(ValueError, match=r"^cast of x: is .* which cannot be cast to"):
        Transform(cast={"x": wanted})(frame_of([None], ARROW[kind]))


def test_the_dtypes_are_the_backends():
    frame = frame_of(["1"], pa.string())

    assert Transform(cast={"x": "int32"})(frame)["x"].dtype == pd.ArrowDtype(pa.int32())
    nullable = Transform(cast={"x": "int32"}, dtype_backend="numpy_nullable")
    assert nullable(frame)["x"].dtype == pd.Int32Dtype()


def test_a_float_that_is_no_number_stays_one():
    frame = frame_of([float("nan"), None], pa.float64())

    made = Transform(cast={"x": "float32"})(frame)["x"].array.__arrow_array__()

    assert str(made.to_pylist()) == "[nan, None]"


def test_columns_a_function_made_are_cast_too():
    frame = pd.DataFrame(
        {
            "numpy": np.array([1.0, np.nan]),
            "objects": pd.Series([Decimal("1.10"), None], dtype=object),
            "category": pd.Categorical(["7", "8"]),
            "wide": pd.Series([Decimal("1E+80"), Decimal("NaN")], dtype=object),
        }
    )

    made = Transform(
        cast={
            "numpy": "int64",
            "objects": "decimal(4, 2)",
            "category": "int16",
            "wide": "float64",
        }
    )(frame)

    assert plain(made["numpy"]) == [1, None]
    assert plain(made["objects"]) == [Decimal("1.10"), None]
    assert plain(made["category"]) == [7, 8]
    assert str(plain(made["wide"])) == "[1e+80, nan]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int46", "did you mean 'int64'?"),
        ("decimal", "needs its digits"),
        ("decimal(39, 2)", "needs 1 to 38 digits"),
        ("decimal(2, 3)", "no more of them behind the point"),
        ("blob", "known are int16"),
    ],
)
def test_a_type_that_is_none_is_refused(text, said):
    with pytest.raises(ValueError, match=r".") as caught:
        type_named(text)

    assert said in str(caught.value)


# Steps.


def frame():
    return pd.DataFrame(
        {"a": [1, 2, 3], "b": ["x", None, "z"], "day": ["2024-01-31"] * 3}
    ).convert_dtypes(dtype_backend="pyarrow")


def test_the_steps_are_taken_in_their_order_however_they_are_written():
    made = Transform(
        drop=["a", "twice"],
        expression={"twice": "n * 2", "thrice": "twice + n"},
        constant={"n": 10, "a": 5},
        cast={"since": "date"},
        rename={"day": "since"},
        function=lambda df: df[df.a > 1],
    )(frame())

    assert list(made.columns) == ["b", "since", "n", "thrice"]
    assert plain(made["thrice"]) == [30, 30]
    assert plain(made["since"]) == [dt.date(2024, 1, 31)] * 2
    assert list(made.index) == [1, 2]


def test_it_does_not_change_the_frame_it_gets():
    before = frame()
    Transform(rename={"a": "c"}, expression={"b": "c + 1"}, drop=["c"])(before)

    assert before.equals(frame())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "value",
    [
        1,
        1.5,
        "x",
        True,
        Decimal("0.10"),
        dt.date(2024, 1, 31),
        dt.datetime(2024, 1, 31, tzinfo=dt.UTC),
        None,
    ],
)
def test_a_constant_is_in_every_row(value, backend):
    made = Transform(constant={"c": value}, dtype_backend=backend)(frame())["c"]

    assert plain(made) == [value] * 3


def test_no_rows_have_the_same_columns():
    mapping = Transform(
        rename={"a": "n"},
        cast={"n": "int16"},
        constant={"c": 1, "nothing": None},
        expression={"e": "n + c", "one": "1"},
        drop=["b"],
    )

    empty = mapping(frame().iloc[:0])

    assert dict(empty.dtypes) == dict(mapping(frame()).dtypes)
    assert empty.shape == (0, 6)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"rename": {"x": "y"}}, "rename: there is no column 'x', only 'a', 'b', 'day'"),
        (
            {"rename": {"dya": "y"}},
            "rename: there is no column 'dya', only 'a', 'b', 'day'; did you mean 'day'?",
        ),
        (
            {"expression": {"e": "da + 1"}},
            "expression e: there is no column 'da', only 'a', 'b', 'day'; did you mean 'day'?",
        ),
        ({"rename": {"a": "b"}}, "rename gives two columns the name 'b'"),
        ({"cast": {"x": "int64"}}, "cast: there is no column 'x'"),
        ({"drop": ["x"]}, "drop: there is no column 'x'"),
        ({"expression": {"e": "x + 1"}}, "expression e: there is no column 'x'"),
        ({"expression": {"e": "a + b"}}, "expression e: add is not for int64 and string"),
        ({"expression": {"e": "1 / (a - a)"}}, "expression e: divide by zero"),
        ({"expression": {"e": "a * 9223372036854775807"}}, "expression e: overflow"),
        ({"expression": {"e": "cast(b, 'int64')"}}, "expression e: holds a value that int64"),
    ],
)
def test_a_step_that_does_not_fit_the_frame_is_named(steps, said):
    with pytest.raises(ValueError, match=r".") as caught:
        Transform(**steps)(frame())

    assert str(caught.value).startswith(said)


def test_columns_may_change_places():
    made = Transform(rename={"a": "b", "b": "a"})(frame())

    assert plain(made["b"]) == [1, 2, 3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_a_function_has_set_aside_are_left_as_they_are(backend):
    rows = frame_of(["1", "many", "3"], pa.string(), backend)
    mapping = Transform(
        function=lambda df: reject(df, df.x == "many", "no number"),
        rename={"x": "n"},
        cast={"n": "int64"},
        expression={"twice": "n * 2"},
        dtype_backend=backend,
    )

    rest, marked = split_marked(mapping(rows.set_axis([5, 7, 9])))

    assert (plain(rest["n"]), plain(rest["twice"]), list(rest.index)) == ([1, 3], [2, 6], [5, 9])
    ((reason, row),) = marked
    assert (reason, row["n"]) == ("no number", "many")


# Expressions.

N = pd.DataFrame(
    {
        "i": pd.array([7, -3, None], dtype=pd.ArrowDtype(pa.int64())),
        "f": pd.array([0.5, 2.0, None], dtype=pd.ArrowDtype(pa.float64())),
        "d": pd.array(
            [Decimal("1.10"), Decimal("-2.50"), None], dtype=pd.ArrowDtype(pa.decimal128(12, 2))
        ),
        "s": pd.array([" Ab ", "", None], dtype=pd.ArrowDtype(pa.string())),
        "t": pd.array([MOMENT, MIDNIGHT, None], dtype=pd.ArrowDtype(pa.timestamp("us"))),
        "b": pd.array([True, False, None], dtype=pd.ArrowDtype(pa.bool_())),
        "odd name": pd.array([1, 2, 3], dtype=pd.ArrowDtype(pa.int64())),
    }
)

VALUES = [
    ("i + 1", [8, -2, None]),
    ("-i", [-7, 3, None]),
    ("+i", [7, -3, None]),
    ("i / 2", [3.5, -1.5, None]),
    ("d * 2", [Decimal("2.20"), Decimal("-5.00"), None]),
    ("d * 0.1", [Decimal("0.110"), Decimal("-0.250"), None]),
    ("d + d", [Decimal("2.20"), Decimal("-5.00"), None]),
    ("f * 2", [1.0, 4.0, None]),
    ("s + '!'", [" Ab !", "!", None]),
    ("i > 0", [True, False, None]),
    ("0 < i <= 7", [True, False, None]),
    ("i > 0 and b", [True, False, None]),
    ("i > 0 or True", [True, True, True]),
    ("not b", [False, True, None]),
    ("i is None", [False, False, True]),
    ("i is not None", [True, True, False]),
    ("i in [7, 8]", [True, False, None]),
    ("i not in (7, 8)", [False, True, None]),
    ("i in [-3]", [False, True, None]),
    ("s in ['']", [False, True, None]),
    ("1 if i > 0 else 0", [1, 0, 0]),
    ("i if i > 0 else None", [7, None, None]),
    ("coalesce(i, 0)", [7, -3, 0]),
    ("coalesce(None, i, 0)", [7, -3, 0]),
    ("nullif(s, '')", [" Ab ", None, None]),
    ("abs(i)", [7, 3, None]),
    ("round(d)", [Decimal("1.00"), Decimal("-3.00"), None]),
    ("round(d, 1)", [Decimal("1.10"), Decimal("-2.50"), None]),
    ("floor(f)", [0.0, 2.0, None]),
    ("ceil(f)", [1.0, 2.0, None]),
    ("upper(strip(s))", ["AB", "", None]),
    ("lower(s)", [" ab ", "", None]),
    ("length(s)", [4, 0, None]),
    ("replace(s, 'A', 'x')", [" xb ", "", None]),
    ("year(t)", [2024, 2024, None]),
    ("month(t) * 100 + day(t)", [131, 131, None]),
    ("hour(t)", [10, 0, None]),
    ("t > '2024-01-31 01:00:00'", [True, False, None]),
    ("cast(t, 'text')", ["2024-01-31 10:20:30.000005", "2024-01-31 00:00:00.000000", None]),
    ("cast(i, 'decimal(5, 1)') + 0.5", [Decimal("7.5"), Decimal("-2.5"), None]),
    ("column('odd name') * 2", [2, 4, 6]),
    ("'constant'", ["constant"] * 3),
    ("d == 1.1", [True, False, None]),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_an_expression_has_the_values_sql_would_give(text, expected, backend):
    rows = N
    if backend == "numpy_nullable":
        rows = N.apply(lambda c: frame_of(c.array.__arrow_array__(), None, backend)["x"])

    made = Transform(expression={"e": text}, dtype_backend=backend)(rows)["e"]

    assert plain(made) == expected


def test_a_product_of_decimals_has_all_its_digits():
    wide = Decimal("12345678901234567890.12")
    rows = frame_of([wide], pa.decimal128(30, 2))

    made = plain(Transform(expression={"e": "x * x"})(rows)["e"])

    assert made == [Decimal((0, tuple(map(int, str(1234567890123456789012**2))), -4))]


REFUSED = [
    "x.y", "x.__class__", "x[0]", "f(x)", "eval('x')", "open('x')", "(lambda: 1)()", "[x]", "{x}",
    "{'a': x}", "f'{x}'", "x := 1", "(x := 1)", "x ** 2", "x @ y", "x // 2", "x % 2", "x & y",
    "x | y", "x ^ y", "x << 1", "~x", "b'x'", "1j", "...", "*x", "abs(*x)", "abs(x=1)", "abs()",
    "abs(x, y)", "__x__", "x__y", "abs.x", "cast(x, y)", "cast(x, 'int46')", "column(x)",
    "round(x, y)", "round(x, 1.5)", "x is 1", "x in y", "x in []", "x in [None]", "x in [y]",
    "1 < x in [1]", "x; y", "import os", "x = 1", "", "   ", "x +", "(", "'", "a b", "yield x",
    "await x", "[y for y in x]", "x if y", "replace(x, y, z)", "0.1234567890123456789012",
    "print(x)", "getattr(x, 'y')", "x\0y", "(" * 250 + "x" + ")" * 250, "-" * 60 + "x",
    "+".join(["x"] * 3000),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_more_than_an_expression_is_refused(text):
    with pytest.raises(ExpressionError):
        parse(text)


def test_the_names_an_expression_uses():
    text = "a + abs(b) * column('c d') if a > 0 else replace(e, 'f', 'g')"

    assert sorted(names(parse(text))) == ["a", "b", "c d", "e"]


def test_reading_an_expression_warns_of_nothing():
    assert isinstance(parse("'\\d' + x"), ast.BinOp)


# The name, and the pickle.


def a_function(df, **_):
    return df


def test_its_name_tells_one_mapping_from_another():
    made = [
        Transform(function=a_function),
        Transform(function=a_function, arguments={"n": 1}),
        Transform(function=a_function, arguments={"n": "1"}),
        Transform(function=a_function, arguments={"n": 1.0}),
        Transform(function=a_function, arguments={"n": Decimal(1)}),
        Transform(rename={"n": "1"}),
        Transform(constant={"n": dt.date(2024, 1, 1)}),
        Transform(constant={"n": "2024-01-01"}),
        Transform(expression={"n": "1", "m": "n"}),
        Transform(expression={"m": "n", "n": "1"}),
        Transform(drop=["n"]),
    ]

    known = [function_name(one) for one in made]

    assert len(set(known)) == len(known)
    assert known[0] == f"{__name__}:a_function"
    assert known[1].startswith(f"{__name__}:a_function ")
    assert known[5].startswith("mapping ")


def test_its_name_does_not_depend_on_what_changes_nothing():
    one = Transform(rename={"a": "b", "c": "d"}, dtype_backend="pyarrow")
    other = Transform(rename={"c": "d", "a": "b"}, dtype_backend="numpy_nullable")

    assert one.name == other.name
    assert Transform().name is None


def test_it_pickles():
    made = Transform(
        function=a_function, arguments={"n": Decimal("0.1")}, expression={"e": "a * 2"}
    )

    again = pickle.loads(pickle.dumps(made))

    assert again == made
    assert again.name == made.name
    assert plain(again(frame())["e"]) == [2, 4, 6]


def test_it_shows_no_argument():
    assert "hunter2" not in repr(Transform(function=a_function, arguments={"key": "hunter2"}))
