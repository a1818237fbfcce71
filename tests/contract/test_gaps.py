"""Where the databases differ: every gap with the exception it raises, and nothing else is a gap.

What one of them cannot do is declared here; the other must do it. A gap that closes fails its test,
and is taken off the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.errors import MapperError, PlanError, RunFailedError, TargetError
from tests.contract import sides
from tests.contract.sides import Side
from tests.oracle import real_url
from tests.required import missing, required


@dataclass(frozen=True)
class Gap:
    """Something that not every database can do."""

    lacks: str
    """The database that cannot."""
    error: type[Exception]
    says: str
    """What its message holds."""
    attempt: Callable[[Side, Side], Any]
    """Does it on one side; the other is a PostgreSQL of whatever role is left."""


def _move(
    source: Side, target: Side, kinds: dict[str, str], rows: list[Any], **options: Any
) -> Any:
    there, here = source.table(kinds), target.table(kinds)
    source.insert(there, kinds, rows)
    job = MapperJob(
        source_conn=source.url,
        source_sql=f"SELECT * FROM {there}",
        target_conn=target.url,
        target_table=here,
        **{"key_column": "id", **options},
    )
    result = ParallelProcessor(enable_parallel=False, progress=False).run(job)
    result.raise_for_status()
    assert sum(target.rows(here, kinds).values()) == len(rows)
    return result


def _load_directly(side: Side, other: Side) -> None:
    _move(other, side, {"id": "key"}, [(1,), (2,)], direct_path=True)


def _checksum_large_values(side: Side, other: Side) -> None:
    del other
    result = _move(side, side, {"id": "key", "c": "long"}, [(1, "x"), (2, "y")])
    found = ParallelProcessor(enable_parallel=False).reconcile(
        result.run_id, source_conn=side.url, target_conn=side.url, checksum=True
    )
    assert found.matches


def _cut_by_large_texts(side: Side, other: Side) -> None:
    _move(side, other, {"id": "key", "c": "long"}, [(1, "x"), (2, "y")], key_column="c")


def _load_forty_digits(side: Side, other: Side) -> None:
    digits = Decimal(1234567890123456789012345678901234567891)
    _move(other, side, {"id": "key", "n": "number"}, [(1, digits * 10**90)])


def _load_not_a_number(side: Side, other: Side) -> None:
    _move(other, side, {"id": "key", "n": "number"}, [(1, Decimal("NaN"))])


GAPS = {
    "direct path": Gap("postgresql", TargetError, "direct_path", _load_directly),
    "hashes of large values": Gap("oracle", PlanError, "checksum", _checksum_large_values),
    "order of large values": Gap("oracle", PlanError, "key_column", _cut_by_large_texts),
    "more than 38 digits and 125 places": Gap("oracle", RunFailedError, "n", _load_forty_digits),
    "not a number, as a decimal": Gap("oracle", RunFailedError, "n", _load_not_a_number),
}


@pytest.fixture
def other(databases):
    made = sides.postgresql(databases.source)
    yield made
    made.clean()


@pytest.mark.parametrize("name", GAPS)
def test_a_gap_raises_what_is_declared_and_is_none_elsewhere(target, other, name):
    gap = GAPS[name]
    if target.kind != gap.lacks:
        gap.attempt(target, other)
        return
    with pytest.raises(gap.error) as raised:
        gap.attempt(target, other)
    assert isinstance(raised.value, MapperError)
    assert gap.says in str(raised.value)


def test_an_oracle_server_ran_this():
    if real_url() is None:
        missing("oracle", "the contract ran on the protocol stand-in")


def test_a_part_nobody_knows_is_not_taken_for_one_that_is_there(monkeypatch):
    monkeypatch.setenv("MAPPER_DASK_REQUIRE", "oracel")
    with pytest.raises(ValueError, match="oracel"):
        required("oracle")


def test_a_part_that_is_required_and_missing_fails(monkeypatch):
    monkeypatch.setenv("MAPPER_DASK_REQUIRE", "postgresql,oracle")
    with pytest.raises(pytest.fail.Exception, match="NO ORACLE"):
        missing("oracle", "nobody started one")
    assert Counter(map(required, ("postgresql", "oracle", "grammar"))) == {True: 2, False: 1}
