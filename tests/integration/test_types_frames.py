"""Every type through ``read_sql_query``: the values the database holds, or a refusal by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from mapper_dask import read_sql_query
from mapper_dask.errors import EncodeError
from tests.database import Server
from tests.integration.fidelity.cases import Case
from tests.integration.fidelity.tables import Fidelity, fidelity

BACKENDS = pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])


@pytest.fixture(scope="module")
def matrix(postgres_server: Server) -> Iterator[Fidelity]:
    with fidelity(postgres_server) as made:
        yield made


def read(matrix: Fidelity, table: str, names: Sequence[str], backend: str) -> pd.DataFrame:
    columns = ", ".join(["k", *names])
    frame = read_sql_query(
        f"SELECT {columns} FROM {table}",
        matrix.databases.source.url,
        index_col="k",
        npartitions=3,
        dtype_backend=backend,
    )
    assert frame.npartitions > 1
    return frame.compute(scheduler="synchronous").sort_index()


def plain(value: Any) -> Any:
    """Return a value in a form in which NaN equals NaN, and 1.50 is not 1.5."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if getattr(value, "tzinfo", None) is not None:
        return value.timestamp()
    if isinstance(value, float):
        return repr(float(value))  # NumPy's writes itself otherwise
    return repr(value) if isinstance(value, Decimal) else value


@BACKENDS
def test_what_arrow_holds_is_the_value_itself(matrix: Fidelity, backend: str) -> None:
    cases = [case for case in matrix.cases("plain") if not hidden(case)]
    frame = read(matrix, "plain", [case.name for case in cases], backend)
    wrong = {}
    for case in cases:
        rows = matrix.say(matrix.source, f"SELECT {case.name} FROM plain ORDER BY k")
        held = [plain(value) for (value,) in rows]
        found = [plain(value) for value in frame[case.name]]
        wrong.update({case.name: (found, held)} if found != held else {})
    assert wrong == {}


def hidden(case: Case) -> bool:
    """Return whether the driver of the test shows other values: float4 as the float8 it is not."""
    return case.type_name == "float4"


@BACKENDS
@pytest.mark.parametrize("group", ["as_text", "own"])
def test_what_arrow_does_not_hold_is_the_databases_text(
    matrix: Fidelity, backend: str, group: str
) -> None:
    cases = matrix.cases(group)
    frame = read(matrix, group, [case.name for case in cases], backend)
    wrong = {}
    for case in cases:
        shown = f"format('%s', {case.name})"  # the cast of a char(n) would cut its blanks
        text = f"CASE WHEN {case.name} IS DISTINCT FROM NULL THEN {shown} END"
        rows = matrix.say(
            matrix.source, f"SET timezone = 'UTC'; SELECT {text} FROM {group} ORDER BY k"
        )
        held = [None if value is None else expected(case, value) for (value,) in rows]
        found = [plain(value) for value in frame[case.name]]
        wrong.update({case.name: (found, held)} if found != held else {})
    assert wrong == {}


def expected(case: Case, text: str) -> str:
    """Return a value as the frame holds it: a numeric is a Decimal, what else is text."""
    decimals = case.type_name.startswith("numeric") and not case.type_name.endswith("]")
    decimals = decimals or case.type_name in ("positive", "big")
    return repr(Decimal(text)) if decimals else text


@BACKENDS
def test_a_value_beyond_its_arrow_type_is_refused_by_its_column(
    matrix: Fidelity, backend: str
) -> None:
    """A partition of text beside partitions of times would be no column."""
    for case in matrix.cases("beyond"):
        with pytest.raises(EncodeError, match=repr(case.name)):
            read(matrix, "beyond", [case.name], backend)
