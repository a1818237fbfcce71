"""What a function sees of a chunk, and what it may and may not give back."""

# ruff: noqa: DTZ001 - timestamps without a zone are the values here

from __future__ import annotations

import datetime as dt
import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mapper_dask.chunk.transform import apply, in_expected_order, to_frame
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.errors import ChunkError, SchemaDriftError, TransformError
from mapper_dask.schema.facts import Column

BACKENDS = ["pyarrow", "numpy_nullable"]
NAN = float("nan")
NOON = dt.datetime(2020, 1, 1, 12)

COLUMNS = {
    "smallint": ([32767, None], "Int16"),
    "integer": ([2**31 - 1, None], "Int32"),
    "bigint": ([2**53 + 1, None], "Int64"),
    "real": ([0.5, None], "Float32"),
    "double precision": ([0.1, None], "Float64"),
    "boolean": ([True, None], "boolean"),
    "text": (["", None], "string"),
    "bytea": ([b"\0", None], "object"),
    "date": ([dt.date(9999, 12, 31), None], "object"),
    "time without time zone": ([dt.time(23, 59, 59, 999999), None], "object"),
    "timestamp without time zone": ([NOON, None], "datetime64[us]"),
    "timestamp with time zone": ([NOON.replace(tzinfo=dt.UTC), None], "datetime64[us, UTC]"),
    "numeric(5,2)": ([Decimal("1.50"), None], "object"),
    "uuid": (["0e37df36-f698-11e6-8dd4-cb9ced3df976", None], "string"),
}
"""A value of every type, and its dtype with numpy_nullable; with pyarrow it is the Arrow type."""


def pg(name: str, type_name: str) -> Column:
    base = type_name.partition("(")[0]
    return column(name, type_name, base, "S" if base == "text" else "X", native=True)


def plain(series: pd.Series) -> list:
    return [None if value is None or value is pd.NA or value is pd.NaT else value
            for value in series]  # fmt: skip


def framed(values: list, type_name: str, backend: str, arrow: pa.DataType | None = None):
    kind = pg("c", type_name)
    rows = pa.table({"c": pa.array(values, arrow or kind.arrow)})
    return to_frame(rows, [kind], backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("type_name", COLUMNS)
def test_a_function_sees_every_value_and_null_as_it_is(type_name, backend):
    values, _ = COLUMNS[type_name]

    assert plain(framed(values, type_name, backend)["c"]) == values


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("type_name", COLUMNS)
def test_the_dtype_depends_on_the_type_and_never_on_the_rows(type_name, rows, backend):
    values, nullable = COLUMNS[type_name]

    frame = framed(values[:rows], type_name, backend)

    arrow = pd.ArrowDtype(pg("c", type_name).arrow)
    assert frame["c"].dtype == (arrow if backend == "pyarrow" else nullable)
    assert frame.shape == (rows, 1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("type_name", ["real", "double precision"])
def test_nan_is_a_number_and_null_is_missing(type_name, backend):
    frame = framed([NAN, None, math.inf, -0.0], type_name, backend)
    nan, null, infinity, zero = frame["c"]

    assert math.isnan(nan)
    assert null is pd.NA
    assert infinity == math.inf
    assert math.copysign(1, zero) == -1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("type_name", ["numeric", "numeric(50,2)"])
def test_a_numeric_that_no_arrow_type_holds_is_decimals_that_add(type_name, backend):
    texts = ["1.10", "1E+40", None, "0.0000000000000000000000000000000000000001"]

    numbers = framed(texts, type_name, backend)["c"]

    assert numbers.dtype == object
    assert plain(numbers) == [None if text is None else Decimal(text) for text in texts]
    assert numbers.iloc[0] + numbers.iloc[0] == Decimal("2.20")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_numeric_with_a_nan_among_it_is_decimals_too(backend):
    numbers = framed(["NaN", "1.50"], "numeric(5,2)", backend, pa.string())["c"]

    assert numbers[0].is_nan()
    assert numbers[1] == Decimal("1.50")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_date_that_came_as_text_stays_text(backend):
    assert plain(framed(["infinity", None], "date", backend, pa.string())["c"]) == [
        "infinity",
        None,
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_keep_their_order_and_rows_their_place(backend):
    kinds = [pg("b", "double precision"), pg("a", "numeric"), pg("ü \"'", "text")]
    rows = pa.table({"b": [1.0, None, 3.0], "a": ["1", "2", None], "ü \"'": ["x", None, "z"]})
    pieces = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])

    frame = to_frame(pieces, kinds, backend)

    assert list(frame.columns) == ["b", "a", "ü \"'"]
    assert list(frame.index) == [0, 1, 2]
    assert plain(frame["b"]) == [1.0, None, 3.0]
    assert plain(frame["a"]) == [Decimal(1), Decimal(2), None]


def test_metadata_of_the_rows_makes_no_index():
    rows = pa.Table.from_pandas(pd.DataFrame({"c": [1]}, index=pd.Index([7], name="i")))

    frame = to_frame(rows.select(["c"]), [pg("c", "bigint")], "pyarrow")

    assert frame.index.names == [None]
    assert list(frame.index) == [0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("type_name", COLUMNS)
def test_a_function_that_changes_its_input_changes_no_rows_of_the_chunk(type_name, backend):
    values, _ = COLUMNS[type_name]
    kind = pg("c", type_name)
    rows = pa.table({"c": pa.array([*values, values[0]], kind.arrow)})

    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[0, "c"] = None
        frame.loc[1, "c"] = frame.loc[2, "c"]
        frame["new"] = frame.pop("c")
        frame.index += 5
        return frame

    made = apply(spoil, to_frame(rows, [kind], backend))

    assert plain(made["new"]) == [None, values[0], values[0]]
    assert rows["c"].to_pylist() == [*values, values[0]]


def numbers(**changes: list) -> pd.DataFrame:
    return pd.DataFrame({"k": [2, 1, 2], "v": [10, 20, 30], **changes})


class Labelled(pd.DataFrame):
    """A frame of another library."""


ALLOWED = {
    "the same rows": (lambda f: f, ["k", "v"], 3),
    "a copy": (lambda f: f.copy(), ["k", "v"], 3),
    "fewer rows": (lambda f: f[f.k == 2], ["k", "v"], 2),
    "no rows": (lambda f: f.iloc[:0], ["k", "v"], 0),
    "more rows": (lambda f: pd.concat([f, f]), ["k", "v"], 6),
    "fewer columns": (lambda f: f[["v"]], ["v"], 3),
    "more columns": (lambda f: f.assign(w=1), ["k", "v", "w"], 3),
    "another order": (lambda f: f[["v", "k"]], ["v", "k"], 3),
    "sorted": (lambda f: f.sort_values("v", ascending=False), ["k", "v"], 3),
    "a subclass": (Labelled, ["k", "v"], 3),
    "other labels": (lambda f: f.set_axis(["x", "x", "y"]), ["k", "v"], 3),
    "an index of dates": (lambda f: f.set_axis(pd.date_range("2020", periods=3)), ["k", "v"], 3),
    "a grouped index": (lambda f: f.groupby("k").sum(), ["k", "v"], 2),
    "two grouped levels": (lambda f: f.groupby(["k", "v"]).first().assign(n=1), ["k", "v", "n"], 3),
    "a level with a name": (lambda f: f.groupby("k").apply(lambda g: g.head(1)), ["k", "v"], 2),
    "an unnamed level": (lambda f: pd.concat({"a": f, "b": f}), ["k", "v"], 6),
    "an index alone": (lambda f: f.set_index(["k", "v"]), ["k", "v"], 3),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_a_function_may_return_any_frame_of_named_columns(case):
    function, names, rows = ALLOWED[case]

    made = apply(function, numbers())

    assert list(made.columns) == names
    assert len(made) == rows
    assert all(name is None for name in made.index.names)


def test_a_named_level_keeps_its_values_beside_an_unnamed_one():
    made = apply(lambda f: f.groupby("k").apply(lambda g: g.head(1)), numbers())

    assert list(zip(made["k"], made["v"], strict=True)) == [(1, 20), (2, 10)]


NO_FRAMES = {
    "nothing": (lambda f: None, "NoneType"),  # noqa: ARG005
    "a column": (lambda f: f["v"], "Series"),
    "a dict": (lambda f: f.to_dict("list"), "dict"),
    "records": (lambda f: f.to_dict("records"), "list"),
    "an array": (lambda f: f.to_numpy(), "ndarray"),
    "an Arrow table": (pa.Table.from_pandas, "Table"),
    "two frames": (lambda f: (f, f), "tuple"),
    "a generator": (lambda f: (f for _ in range(1)), "generator"),
    "the class": (type, "type"),
    "a number": (len, "int"),
}


@pytest.mark.parametrize("case", NO_FRAMES)
def test_what_is_no_frame_is_refused_by_its_type(case):
    function, name = NO_FRAMES[case]

    with pytest.raises(TransformError, match=f"returned {name}, it must return a pandas DataFrame"):
        apply(function, numbers())


NO_COLUMNS = {
    "a name twice": (lambda f: f[["k", "k"]], "['k', 'k']"),
    "joined frames": (lambda f: pd.concat([f, f], axis=1), "['k', 'v', 'k', 'v']"),
    "a number": (lambda f: f.rename(columns={"k": 0}), "[0, 'v']"),
    "no name": (lambda f: f.rename(columns={"k": None}), "[nan, 'v']"),
    "two levels": (lambda f: f.groupby("k").agg({"v": ["min"]}), "['k', ('v', 'min')]"),
    "an index that is a column": (lambda f: f.set_index("k", drop=False), "['k', 'k', 'v']"),
    "an index with a number for a name": (lambda f: f.rename_axis(0), "[0, 'k', 'v']"),
    "levels of one name": (lambda f: f.set_index(["k", f.k.rename("k")]), "['k', 'k', 'v']"),
}


@pytest.mark.parametrize("case", NO_COLUMNS)
@pytest.mark.parametrize("rows", [0, 3])
def test_columns_that_no_table_has_are_refused_by_name(case, rows):
    function, names = NO_COLUMNS[case]

    with pytest.raises(TransformError) as caught:
        apply(function, numbers().iloc[:rows])

    assert (
        str(caught.value) == "transformation_logic: the function returned columns "
        f"{names}; they must be texts, each once"
    )


def _divide(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(w=1 // (len(frame) - len(frame)))


def divide_by_the_wrong_number(frame: pd.DataFrame) -> pd.DataFrame:
    return _divide(frame)


def test_an_exception_keeps_the_functions_traceback_and_no_line_of_the_library():
    with pytest.raises(TransformError) as caught:
        apply(divide_by_the_wrong_number, numbers())

    told = str(caught.value)
    assert told.startswith("transformation_logic: the function raised ZeroDivisionError: ")
    assert "in divide_by_the_wrong_number\n    return _divide(frame)" in told
    assert "in _divide\n    return frame.assign(w=1 // " in told
    assert told.splitlines()[-1].startswith("ZeroDivisionError: ")
    assert "transform.py" not in told.replace("test_transform.py", "")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_exception_raised_from_another_tells_both_and_its_notes():
    def read(frame: pd.DataFrame) -> pd.DataFrame:
        try:
            return frame[["missing"]]
        except KeyError as error:
            error.add_note("column 3 of 4")
            message = "no such column"
            raise LookupError(message) from error

    with pytest.raises(TransformError) as caught:
        apply(read, numbers())

    told = str(caught.value)
    assert told.startswith(
        "transformation_logic: the function raised LookupError: no such column\n"
    )
    assert "KeyError" in told
    assert "column 3 of 4" in told


class Unsendable(Exception):  # noqa: N818
    """An exception that cannot be built from its message, nor sent."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")
        self.handle = (value for value in (first, second))


def test_what_an_error_holds_can_be_sent_when_the_functions_own_cannot():
    def raise_it(_frame: pd.DataFrame) -> pd.DataFrame:
        raise Unsendable(1, 2)

    with pytest.raises(TransformError) as caught:
        apply(raise_it, numbers())
    rebuild, held = caught.value.__reduce__()
    sent = rebuild(*pickle.loads(pickle.dumps(held)))

    assert str(sent) == str(caught.value)
    assert str(sent).startswith("transformation_logic: the function raised Unsendable: 1 and 2\n")
    assert isinstance(sent, ChunkError)
    assert not sent.transient


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError, MemoryError, StopIteration])
def test_an_exception_of_any_kind_is_the_functions_and_is_not_tried_again(error):
    def fail(_frame: pd.DataFrame) -> pd.DataFrame:
        raise error

    with pytest.raises(TransformError, match=f"raised {error.__name__}") as caught:
        apply(fail, numbers())

    assert not caught.value.transient


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_not_the_functions_error(interruption):
    def interrupt(_frame: pd.DataFrame) -> pd.DataFrame:
        raise interruption

    with pytest.raises(interruption):
        apply(interrupt, numbers())


def test_what_cannot_be_called_is_told_as_it_is():
    with pytest.raises(TransformError, match="TypeError: 'str' object is not callable"):
        apply("clean", numbers())


@pytest.mark.parametrize("expected", [None, ["k", "v"], ("k", "v")])
def test_a_frame_in_the_expected_order_is_passed_on(expected):
    frame = numbers()

    assert in_expected_order(frame, expected) is frame


def test_columns_in_another_order_are_put_in_the_plans():
    made = in_expected_order(numbers()[["v", "k"]], ["k", "v"])

    pd.testing.assert_frame_equal(made, numbers())


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (["k", "v", "w"], "missing ['w'], new []"),
        (["k"], "missing [], new ['v']"),
        (["k", "V"], "missing ['V'], new ['v']"),
        ([], "missing [], new ['k', 'v']"),
    ],
)
@pytest.mark.parametrize("rows", [0, 3])
def test_other_columns_than_the_plans_are_named(expected, said, rows):
    with pytest.raises(SchemaDriftError) as caught:
        in_expected_order(numbers().iloc[:rows], expected)

    assert f"than before: {said}; let it return the same ones" in str(caught.value)


def test_a_float_column_made_by_numpy_keeps_its_rows():
    made = apply(lambda f: f.assign(w=np.sqrt(f.v)), numbers())

    assert list(made["w"]) == [math.sqrt(v) for v in (10, 20, 30)]
