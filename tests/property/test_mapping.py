"""Whatever stands in a column, an expression, a param or a URL: nothing is lost, run or shown."""

from __future__ import annotations

import ast
import decimal
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
import sqlglot
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mapper_dask.connections.masking import secrets_of
from mapper_dask.connections.urls import parse_url
from mapper_dask.dialects.oracle.literals import literal as oracle
from mapper_dask.dialects.postgresql.literals import literal as postgresql
from mapper_dask.errors import ConfigurationError, JobFileError
from mapper_dask.jobfile import parse as parse_file
from mapper_dask.jobfile.secrets import has_secret, require_reference
from mapper_dask.mapping import Transform
from mapper_dask.mapping.casts import CastError, cast
from mapper_dask.mapping.expressions import FUNCTIONS, ExpressionError, parse
from mapper_dask.mapping.types import NAMES, type_named
from mapper_dask.plan.params import with_values

TYPES = [*NAMES, "decimal(9, 2)", "decimal(38, 0)", "decimal(38, 20)", "decimal(1, 1)"]


def _digits(number):
    return tuple(map(int, str(abs(number))))


INTEGERS = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.integers(-(10**18), 10**18).map(lambda n: Decimal((n < 0, _digits(n), -3)))
NUMBER_TEXTS = st.one_of(
    INTEGERS.map(str),
    st.floats().map(repr),
    DECIMALS.map(str),
    st.from_regex(r"[-+]?[0-9.eE]{1,9}", fullmatch=True),
)

COLUMNS = st.one_of(
    st.tuples(st.just(pa.int64()), INTEGERS),
    st.tuples(st.just(pa.float64()), st.floats()),
    st.tuples(st.just(pa.decimal128(20, 3)), DECIMALS),
    st.tuples(st.just(pa.bool_()), st.booleans()),
    st.tuples(st.just(pa.string()), NUMBER_TEXTS),
)


def number(value):
    """Return the number a value means, whatever its type."""
    if isinstance(value, str):
        value = {"true": "1", "false": "0"}.get(value.strip().lower(), value)
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float):
        return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))
    return Decimal(str(value).strip())


@given(COLUMNS, st.sampled_from(TYPES))
@example((pa.int64(), 2**53 + 1), "float64")
@example((pa.float64(), 0.1), "float32")
@example((pa.float64(), float("nan")), "float32")
@example((pa.float64(), -0.0), "int64")
@example((pa.float64(), 2.0**130), "decimal(9, 2)")
@example((pa.string(), "1e40"), "decimal(9, 2)")
def test_a_cast_keeps_the_number_or_raises(column, wanted):
    arrow, value = column
    try:
        made = cast(pa.array([value, None], arrow), type_named(wanted))
    except CastError:
        return
    found, nothing = made.to_pylist()

    assert nothing is None
    if isinstance(value, str) and isinstance(found, str):
        assert found == value
        return
    before, after = number(value), number(found)
    if made.type == pa.float32():
        # The very same as a double; or what its own shortest digits say.
        shortest = str(np.float32(found))
        assert math.isnan(found) if before.is_nan() else before in (after, Decimal(shortest))
    elif before.is_nan():
        assert after.is_nan()
    elif isinstance(value, float) and isinstance(found, str):
        assert float(found) == value
    elif isinstance(found, float):
        assert before in (Decimal(repr(found)), Decimal(found))
    else:
        assert before == after


@given(st.lists(st.tuples(DECIMALS, DECIMALS), min_size=1, max_size=5), st.sampled_from("+-*"))
def test_arithmetic_of_decimals_is_exact(pairs, sign):
    left, right = zip(*pairs, strict=True)
    frame = pd.DataFrame(
        {
            name: pd.Series(
                pa.array(values, pa.decimal128(20, 3)), dtype=pd.ArrowDtype(pa.decimal128(20, 3))
            )
            for name, values in (("a", left), ("b", right))
        }
    )

    made = Transform(expression={"c": f"a {sign} b"})(frame)["c"].tolist()

    with decimal.localcontext(prec=200):
        steps = {"+": Decimal.__add__, "-": Decimal.__sub__, "*": Decimal.__mul__}
        assert made == [steps[sign](a, b) for a, b in pairs]


WORDS = st.sampled_from(
    [*FUNCTIONS, *"()[]{}.,:+-*/%@'\"\\=<>!~&|^#;x1 \n", "**", "//", ":=", "==", "__import__",
     "and", "or", "not", "if", "else", "is", "None", "in", "lambda", "for", "await", "yield",
     "f'{x}'",
     "'int64'", "0.5", "1e9", "b''", "x.y", "x[0]", "print(", "eval("]
)  # fmt: skip


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=12).map(" ".join)))
def test_reading_an_expression_never_runs_it_and_says_what_is_wrong(text):
    try:
        tree = parse(text)
    except ExpressionError:
        return
    allowed = (
        ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Constant, ast.Name,
        ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.List, ast.Tuple,
    )  # fmt: skip
    for node in ast.walk(tree):
        assert isinstance(node, allowed)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id in FUNCTIONS


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(("grammar", "literal"), [("postgres", postgresql), ("oracle", oracle)])
@given(value=TEXTS, other=TEXTS)
@example(value="'; DROP TABLE t; --", other=":x")
@example(value="\\'", other="\\")
@example(value="x' OR '1'='1", other="/* ")
def test_a_text_stays_in_its_literal(grammar, literal, value, other):
    made = with_values("SELECT :x, 'a :y', :y -- :x", {"x": value, "y": other}, grammar, literal)

    kinds = [token.token_type for token in sqlglot.tokenize(made, read=grammar)]
    assert len(kinds) == 6
    assert made.startswith("SELECT ")
    assert made.endswith(" -- :x")


PARTS = st.text(st.sampled_from("ab1%/@:?#&=._-"), max_size=6)


@given(
    st.sampled_from(["postgresql", "postgresql+psycopg2", "oracle+oracledb"]),
    PARTS,
    st.one_of(st.none(), PARTS),
    PARTS,
    st.lists(
        st.tuples(st.sampled_from(["password", "sslpassword", "host", "access_token"]), PARTS),
        max_size=2,
    ),
)
@example("postgresql", "me", "p@ss", "db", [])
@example("postgresql", "@", "1", "", [])
def test_a_url_with_a_secret_is_told_as_one(scheme, user, password, host, query):
    login = user if password is None else f"{user}:{password}"
    text = f"{scheme}://{login}@{host}/db?" + "&".join(f"{k}={v}" for k, v in query)
    try:
        url = parse_url(text)
    except ConfigurationError:
        assume(False)  # noqa: FBT003 - no connection is made of it, and the flow refuses it
    if not secrets_of(url):
        return

    assert has_secret(text)
    with pytest.raises(ValueError, match="secret") as caught:
        require_reference(text)
    assert text not in str(caught.value)


def require_a_place(text):
    try:
        parse_file(text, path="f.yaml", directory=".", environ={"A": "1"})
    except JobFileError as error:
        told = error
    else:
        return
    line, column = told.details["line"], told.details["column"]
    assert str(told).startswith(f"f.yaml:{line}:{column}: ")
    assert 1 <= line <= len(text.split("\n")) + 1


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_text_is_a_job_file_or_one_error_with_its_place(raw):
    text = raw.decode("utf-8", "replace")
    require_a_place(text)


KEYS = st.sampled_from(
    ["version", "jobs", "defaults", "settings", "connections", "name", "ledger", "source", "target",
     "transform", "chunking", "execution", "depends_on", "sql", "table", "connection", "params",
     "size", "key", "rename", "cast", "expression", "with", "function", "a", "b", ""]
)  # fmt: skip
TREES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["a", "env:A", "x.y:z", "${A}", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, TREES, max_size=6))
@example({"version": 1, "jobs": {"a": None}})
def test_any_tree_is_a_job_file_or_one_error_with_its_place(tree):
    text = yaml.safe_dump({"version": 1, **tree})
    require_a_place(text)


def test_the_url_tests_mean_what_sqlalchemy_reads():
    assert secrets_of(sa.make_url("postgresql://u:p@h/d")) == ["p"]
