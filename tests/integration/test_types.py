"""Every type of PostgreSQL, every way through: exact, or the plan or the load says what is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from mapper_dask.dialects.postgresql import PostgreSQL
from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.cases import GROUPS, Case
from tests.integration.fidelity.tables import Fidelity, exactly, fidelity
from tests.integration.fidelity.ways import (
    ARROW,
    NULLABLES,
    PANDAS,
    RELAY,
    WAYS,
    Way,
    watched_formats,
)
from tests.long_form import ALONE, one_in

CASES = [case for cases in GROUPS.values() for case in cases]


@pytest.fixture(scope="module")
def matrix(postgres_server: Server) -> Iterator[Fidelity]:
    with fidelity(postgres_server) as made:
        yield made


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return watched_formats(monkeypatch)


def read_columns(cases: Sequence[Case], way: Way, *, beside: bool) -> str:
    """Return what is read: for a way that decodes, a key of another type than the target's."""
    names = [*(["beside"] if beside else []), *(case.name for case in cases)]
    return ", ".join(["k::int8 AS k" if way.decoded else "k", *names])


def written(group: str, way: Way, *, beside: bool) -> str:
    """Return the format in which the target must have received a group."""
    if way.decoded:  # nullable dtypes have no decimals: those pass as text
        exact = group == "plain" and way.options.get("dtype_backend") != "numpy_nullable"
        return "binary" if exact and not beside else "csv"
    return "relay csv" if group in ("own", "unsent") or beside else "relay binary"


def read_as_text(warnings: Iterable[str]) -> set[str]:
    """Return the columns of which the result says that they did not fit their Arrow types."""
    return {w.partition(":")[0] for w in warnings if w.endswith("does not fit its Arrow type")}


@pytest.mark.parametrize("beside", [False, True], ids=["by_itself", "beside_an_enum"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_value_arrives_as_it_left(
    matrix: Fidelity, formats: list[str], way: Way, group: str, *, beside: bool
) -> None:
    cases = matrix.cases(group)
    table = f"{group}_beside" if beside else group
    matrix.empty(table)
    result = way.move(matrix.databases, table, read_columns(cases, way, beside=beside))
    result.raise_for_status()
    assert matrix.differences(table, exactly(cases)) == []
    assert formats[-1] == written(group, way, beside=beside)
    assert result.total_rows_rejected == 0
    beyond = cases if way.decoded and group == "beyond" else []
    assert read_as_text(result.warnings) == {case.name for case in beyond}


WAYS_ALONE = [RELAY, ARROW, PANDAS, NULLABLES]


@pytest.mark.long_form
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("way", WAYS_ALONE, ids=lambda way: way.name)
def test_every_value_arrives_alone(
    matrix: Fidelity, monkeypatch: pytest.MonkeyPatch, way: Way, group: str
) -> None:
    """Alone: in CSV a lone NULL is an empty line, and a lone ``\\.`` once ended the data.

    And a type that no binary COPY carries is not kept from one by its neighbours.
    """
    if way is ARROW:
        monkeypatch.setattr(PostgreSQL, "relay_format", lambda *_: None)
    wrong = {}
    for case in one_in(ALONE, matrix.cases(group), WAYS_ALONE.index(way)):
        table = f"{case.name}_alone"
        matrix.empty(table)
        result = way.move(matrix.databases, table)
        found = result.errors or matrix.differences(table, exactly([case], key=None))
        wrong.update({case.name: found} if found else {})
    assert wrong == {}


@pytest.mark.parametrize("name", [case.name for case in CASES if case.optional])
def test_every_optional_case_ran(matrix: Fidelity, name: str) -> None:
    if name in matrix.lacking:
        pytest.skip(matrix.lacking[name])


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_a_dry_run_takes_every_value(matrix: Fidelity, group: str, backend: str) -> None:
    cases, rows = matrix.cases(group), []
    way = Way("dry", {"dtype_backend": backend}, lambda frame: rows.append(frame) or frame)
    result = way.read(matrix.databases, group).raise_for_status()
    [(count,)] = matrix.say(matrix.source, f"SELECT count(*) FROM {group}")
    assert result.total_rows_successful == count
    assert len(rows[-1]) == count
    assert list(rows[-1].columns) == ["k", *(case.name for case in cases)]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("way", [ARROW, PANDAS, NULLABLES], ids=lambda way: way.name)
def test_what_arrives_exactly_is_not_called_lossy(matrix: Fidelity, way: Way, group: str) -> None:
    cases = matrix.cases(group)
    matrix.empty(group)
    result = way.move(matrix.databases, group, read_columns(cases, way, beside=False))
    assert [warning for warning in result.warnings if "→" in warning] == []


# Whose binary form another database, or even the same one, does not take.
NOT_AS_BYTES = [
    ("regclass", "'elsewhere'"),
    ("regtype", "'mood'"),
    ("regtype[]", "'{mood}'"),
    ("regnamespace", "'apart'"),
    ("aclitem", "('=r/' || current_user)"),
    ("aclitem[]", "ARRAY['=r/' || current_user]"),
    ("tsquery", "''"),
]
NAMED = """
CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE elsewhere (a int); CREATE SCHEMA apart
"""


@pytest.fixture(scope="module")
def named(postgres_server: Server) -> Iterator[Databases]:
    """Both databases with objects of the same names, and other numbers."""
    with fresh_databases(postgres_server) as databases:
        databases.target.execute("CREATE TYPE unused AS ENUM ('x'); CREATE SCHEMA unused")
        for database in databases:
            database.execute(NAMED)
        yield databases


@pytest.mark.parametrize("way", [RELAY, ARROW, PANDAS], ids=lambda way: way.name)
def test_what_has_no_bytes_of_its_own_arrives_by_name(named: Databases, way: Way) -> None:
    """The number of a table, a type or a role is another one in another database."""
    wrong = {}
    for type_name, value in NOT_AS_BYTES:
        for database in named:
            database.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (k int, v {type_name})")
        named.source.execute(f"INSERT INTO t VALUES (1, {value}::{type_name}), (2, NULL)")
        result = way.move(named, "t", "k::int8 AS k, v" if way.decoded else "k, v")
        left, arrived = (each.fetch("SELECT k, v::text FROM t ORDER BY k") for each in named)
        if arrived != left:
            wrong[type_name] = (left, arrived, result.errors)
    assert wrong == {}
