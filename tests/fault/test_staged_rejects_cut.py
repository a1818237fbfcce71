"""A connection that breaks at the COMMIT of a publication that sets rows aside."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mapper_dask import ParallelProcessor
from tests.database import Databases
from tests.fault.operations import works
from tests.fault.proxy import Cut, Scissors, proxied

PUBLISHING = re.compile(rb"UPDATE mapper_dask_chunk\s+SET rows_loaded = rows_loaded OPERATOR")

WAYS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "atomic": (works.fussy, {"atomic": True}, works.all_but_refused),
    "replace": (
        works.fussy_with_old_rows, {"write_disposition": "replace"}, works.all_but_refused),
    "merge": (works.fussy_with_old_rows, works.MERGED, works.merged_but_refused),
}  # fmt: skip


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("way", WAYS)
def test_a_publication_whose_commit_is_cut_sets_each_row_aside_once(
    databases: Databases, way: str, cut: Cut
) -> None:
    begin, options, compare = WAYS[way]
    databases.source.execute(works.SOURCE)
    begin(databases)
    scissors = Scissors(cut, PUBLISHING, most=2)
    with proxied(databases.target.url, scissors) as target:
        job = works.job(databases, "cut", reject_limit=works.ROWS, **options)
        result = ParallelProcessor(enable_parallel=False).run(job.evolve(target_conn=target))
    assert scissors.cuts > 0
    refused = works.ROWS // 10
    assert result.raise_for_status().total_rows_rejected == refused
    assert result.total_rows_successful == works.ROWS - refused
    assert compare(databases) == (0, 0)
