"""Whichever database it is: no run claims rows that are gone, no repair deletes another's."""

from __future__ import annotations

from typing import Any

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.connections.reference import reference
from mapper_dask.errors import ConfigurationError, RowsGoneError
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.evidence import RowsState, still_there
from tests.builders import job_between, run_here
from tests.contract.sides import Side

KINDS = {"id": "integer", "v": "money"}
ROWS = 40


@pytest.fixture
def tables(source: Side, target: Side) -> tuple[str, str]:
    """40 rows, and a target like their table."""
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n, n) for n in range(ROWS)])
    return there, here


def run(source: Side, target: Side, tables: tuple[str, str], **options: Any) -> Any:
    there, here = tables
    usual = {"key_column": "id", "chunk_size": 10}
    return run_here(job_between(source, there, target, here, **{**usual, **options}))


def reconcile(source: Side, target: Side, run_id: str, **options: Any) -> Any:
    return ParallelProcessor(enable_parallel=False).reconcile(
        run_id, source_conn=source.url, target_conn=target.url, **options
    )


def held(target: Side, table: str) -> int:
    return sum(target.rows(table, KINDS).values())


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_a_run_whose_table_was_truncated_is_not_claimed(
    source: Side, target: Side, tables: tuple[str, str], disposition: str
) -> None:
    options = {"write_disposition": disposition}
    first = run(source, target, tables, **options).raise_for_status()
    again = run(source, target, tables, run_id=first.run_id, **options)
    assert again.succeeded
    found = stored_runs.found(reference(target.url), first.run_id)
    assert still_there(reference(target.url), found).state is RowsState.UNTOUCHED
    target.execute(f"TRUNCATE TABLE {tables[1]}")

    with pytest.raises(RowsGoneError, match="40 rows were loaded, 0 are there"):
        run(source, target, tables, run_id=first.run_id, **options)


def test_a_truncated_run_is_repaired_into_its_empty_ranges(
    source: Side, target: Side, tables: tuple[str, str]
) -> None:
    first = run(source, target, tables).raise_for_status()
    target.execute(f"TRUNCATE TABLE {tables[1]}")

    assert reconcile(source, target, first.run_id, repair=True).matches
    assert held(target, tables[1]) == ROWS


def test_repair_of_one_run_leaves_another_s_rows(
    source: Side, target: Side, tables: tuple[str, str]
) -> None:
    """Where rows tell by whom they were loaded nothing differs; elsewhere it is refused."""
    first = run(source, target, tables).raise_for_status()
    run(source, target, tables).raise_for_status()

    if target.kind == "postgresql":
        assert reconcile(source, target, first.run_id, repair=True).repaired == ()
    else:
        with pytest.raises(ConfigurationError, match="none tells by whom it was loaded"):
            reconcile(source, target, first.run_id, repair=True)
    assert held(target, tables[1]) == 2 * ROWS


def test_a_ledger_of_an_earlier_version_is_upgraded(
    source: Side, target: Side, tables: tuple[str, str]
) -> None:
    first = run(source, target, tables).raise_for_status()
    for table, column in (
        ("mapper_dask_run", "table_mark"),
        ("mapper_dask_run", "published"),
        ("mapper_dask_chunk", "loaded_by"),
    ):
        target.execute(f"ALTER TABLE {table} DROP COLUMN {column}")

    assert reconcile(source, target, first.run_id).matches
    result = run(source, target, tables, run_id=first.run_id)
    assert result.succeeded
    assert "was not looked at when the run began" in "".join(result.warnings)
    run(source, target, tables).raise_for_status()
    target.execute(f"TRUNCATE TABLE {tables[1]}")
    with pytest.raises(RowsGoneError):
        run(source, target, tables, run_id=first.run_id)
