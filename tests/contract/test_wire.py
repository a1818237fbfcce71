"""A plan says how rows are going to pass, before anything runs, and as the run then does it."""

from __future__ import annotations

import pytest

from mapper_dask import ChunkManager, ParallelProcessor
from tests.builders import job_between

COLUMNS = {"id": "key", "v": "text"}


def unchanged(frame):
    return frame


def job_of(pair, function=None, **changes):
    source, target = pair
    name = source.table(COLUMNS)
    source.insert(name, COLUMNS, [(number, "a") for number in range(3)])
    here = target.table(COLUMNS)
    asked = job_between(source, name, target, here, transformation_logic=function)
    return asked.evolve(**changes)


@pytest.mark.parametrize("function", [None, unchanged])
@pytest.mark.parametrize("changes", [{}, {"reject_limit": 1}, {"columns": ["id"]}], ids=str)
def test_the_plan_prints_the_wire_that_the_run_takes(pair, function, changes):
    job = job_of(pair, function, **changes)
    plan = ChunkManager().plan(job)
    ran, _ = ParallelProcessor(progress=False).prepare(job)

    assert ran.transport
    assert plan.transport == ran.transport
    assert f"  wire      {plan.transport}\n" in str(plan)


def test_a_dry_run_has_no_wire(pair):
    plan = ChunkManager().plan(job_of(pair, target_conn=None, target_table=None))

    assert plan.transport == ""
    assert "wire" not in str(plan)


def test_a_plan_is_to_be_had_before_its_target_is(pair):
    assert ChunkManager().plan(job_of(pair, target_table="nowhere")).transport == ""
    away = "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere"
    assert ChunkManager().plan(job_of(pair, target_conn=away)).transport == ""


def test_where_a_function_decides_that_is_said(pair):
    source, target = pair
    name = target.table({**COLUMNS, "raw": "bytes"})
    if target.kind == "postgresql":
        target.execute(f"ALTER TABLE {name} ADD doc jsonb")
    told = ChunkManager().plan(job_of(pair, unchanged, target_table=name)).transport

    as_needed = "what each chunk needs" if target.kind == "postgresql" else "array DML"
    assert told.endswith(f"pandas (pyarrow) → {as_needed}"), source.kind
