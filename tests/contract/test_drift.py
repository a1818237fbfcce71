"""A target is altered while rows are on their way to it: nothing more goes there."""

from __future__ import annotations

import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.errors import FingerprintError, PlanError
from tests.builders import job_between

KINDS = {"id": "key", "v": "integer"}
ROWS = [(n, n * 10) for n in range(1, 601)]
AFTER, SIZE = 2, 100


def altered(source, target, kind, **options):
    """Move rows; after some chunks a column is dropped, and another of its name is added."""
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, ROWS)
    done = []

    def between(event):
        if event.done == AFTER and not done:
            done.append(event.done)
            target.execute(f"ALTER TABLE {here} DROP COLUMN v")
            target.execute(f"ALTER TABLE {here} ADD v {target.types[kind]}")

    usual = {"key_column": "id", "chunk_size": SIZE, "run_id": here}
    job = job_between(source, there, target, here, **{**usual, **options})
    processor = ParallelProcessor(enable_parallel=False, progress=between)
    return here, job, processor.run(job)


@pytest.mark.parametrize("kind", ["integer", "float"])
@pytest.mark.parametrize("limit", [0, 5], ids=["at once", "apart"])
def test_an_altered_target_takes_no_more(source, target, kind, limit):
    here, job, result = altered(source, target, kind, reject_limit=limit)
    assert not result.succeeded
    assert "was altered under the run" in str(result.errors[0])
    assert "column 'v'" in str(result.errors[0])
    committed = sum(chunk.rows_loaded for chunk in result.chunk_results if chunk.succeeded)
    assert AFTER * SIZE == committed == sum(target.rows(here, KINDS).values())
    with pytest.raises(FingerprintError, match="column 'v'"):
        ParallelProcessor(enable_parallel=False, progress=False).run(job)


def test_an_altered_target_is_not_replaced(source, target):
    here, _, result = altered(source, target, "float", write_disposition="replace")
    assert not result.succeeded
    assert "was altered under the run" in str(result.error)
    assert sum(target.rows(here, KINDS).values()) == 0


def test_addresses_are_used_without_a_snapshot_only_where_none_moves(source):
    there = source.table({"v": "integer"})
    job = MapperJob(
        source_conn=source.url,
        source_sql=f"SELECT * FROM {there}",
        strategy="ROWID_BASED",
        consistent=False,
    )
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    if source.kind == "oracle":  # there a row keeps its address when it is updated
        processor.run(job).raise_for_status()
        return
    with pytest.raises(PlanError, match="ROWID_BASED needs consistent=True"):
        processor.run(job)
