"""A function is never called without rows, but to learn its columns where there are none."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
    reject,
)
from mapper_dask.errors import TargetError

KINDS = {"id": "integer", "v": "text"}
seen: list[int] = []


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Look at a value, as anybody would: over no rows it is missing, and has no truth."""
    seen.append(len(frame))
    if frame["id"].min() > 4000:
        return frame.assign(v="high")
    return frame


@pytest.fixture(autouse=True)
def _afresh():
    seen.clear()


def moving(source, there, target, here, **options):
    return MapperJob(
        source_conn=source.url,
        source_sql=options.pop("sql", f"SELECT * FROM {there}"),
        transformation_logic=options.pop("function", plain),
        **({} if target is None else {"target_conn": target.url, "target_table": here}),
        **{"key_column": "id", "chunk_size": 10, **options},
    )


def run(job):
    return ParallelProcessor(enable_parallel=False, progress=False).run(job).raise_for_status()


def test_the_chunk_of_null_keys_is_not_shown_when_it_is_empty(pair):
    source, target = pair
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n, "low") for n in range(100)])

    result = run(moving(source, there, target, here))

    assert result.total_rows_successful == 100
    assert any(chunk.rows_read == 0 for chunk in result.chunk_results)
    assert 0 not in seen


def test_a_dry_run_does_not_show_it_either(pair):
    source, _ = pair
    there = source.table(KINDS)
    source.insert(there, KINDS, [(n, "low") for n in range(100)])

    assert run(moving(source, there, None, None)).total_rows_processed == 100
    assert 0 not in seen


def test_ranges_that_are_emptied_meanwhile_are_not_shown(pair):
    source, target = pair
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n, "low") for n in range(100)])
    job = moving(source, there, target, here, consistent=False)
    plan, processor = ParallelProcessor(progress=False).prepare(job)
    source.execute(f"DELETE FROM {there} WHERE id < 80")
    seen.clear()

    results = [processor.process_chunk(chunk) for chunk in plan.chunks]

    assert [result.error for result in results] == [None] * len(plan.chunks)
    assert sum(result.rows_loaded for result in results) == 20
    assert 0 not in seen


def test_an_empty_source_is_moved_though_the_function_fails_over_no_rows(pair):
    source, target = pair
    there, here = source.table(KINDS), target.table(KINDS)

    result = run(moving(source, there, target, here))

    assert result.total_rows_processed == 0
    assert seen == [0]  # to learn its columns, which nothing else tells


def test_it_is_refused_where_the_columns_must_be_known(pair):
    """Nothing of the target is touched then: the rows to be replaced stay."""
    source, target = pair
    there, here = source.table(KINDS), target.table(KINDS)
    target.insert(here, KINDS, [(1, "old")])

    with pytest.raises(TargetError, match="let it take an empty frame"):
        run(moving(source, there, target, here, write_disposition="replace"))

    assert len(target.query(f"SELECT * FROM {here}")) == 1


def test_a_window_without_news_is_not_shown(pair):
    source, target = pair
    kinds = {"id": "integer", "v": "text", "t": "time"}
    there, here = source.table(kinds), target.table(kinds)
    noon = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC).replace(tzinfo=None)
    source.insert(there, kinds, [(n, "low", noon + dt.timedelta(hours=n)) for n in range(30)])
    job = moving(source, there, target, here)
    flow = Flow(
        name=f"flow of {here}",
        jobs=(FlowJob(name="copy", job=job, incremental=Incremental(column="t")),),
    )
    for _ in range(2):
        ExecutionEngine(1, progress=False).run(flow).raise_for_status()

    assert len(target.query(f"SELECT * FROM {here}")) == 30


def test_where_every_row_is_refused_nothing_is_left_to_show(pair):
    source, target = pair
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n, "low") for n in range(20)])

    def fussy(frame):
        seen.append(len(frame))
        if frame["id"].min() < 10:
            raise ValueError("too low")  # noqa: EM101
        return reject(frame, frame["id"] == 15, "fifteen")

    result = run(moving(source, there, target, here, function=fussy, reject_limit=20))

    assert (result.total_rows_successful, result.total_rows_rejected) == (9, 11)
    assert seen.count(0) <= 1
