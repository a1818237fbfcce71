"""Whichever database it is: what an earlier run of the same query has left there is told."""

from __future__ import annotations

from typing import Any

from mapper_dask import ParallelProcessor
from tests.builders import job_between
from tests.contract.sides import Side

KINDS = {"id": "integer", "v": "money"}


def late(frame: Any) -> Any:
    if (frame.iloc[:, 0] >= 30).any():
        raise ValueError
    return frame


def test_what_a_run_has_left_is_told_however_the_next_is_cut(source: Side, target: Side) -> None:
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(n, n) for n in range(40)])

    def told(**options: Any) -> list[str]:
        usual = {"key_column": "id", "chunk_size": 10}
        job = job_between(source, there, target, here, **{**usual, **options})
        processor = ParallelProcessor(enable_parallel=False, progress=False, on_failure="return")
        return [note for note in processor.run(job).warnings if "twice" in note]

    assert told(run_id=f"{here}-half", transformation_logic=late) == []
    [note] = told(run_id=f"{here}-2", chunk_size=20)
    assert f"resume('{here}-half')" in note
    assert "30 rows" in note
    [note] = told(run_id=f"{here}-3")
    assert note.startswith(f"run '{here}-2' has loaded the same query")
    assert told(run_id=f"{here}-4", write_disposition="replace") == []
    target.execute(f"TRUNCATE TABLE {here}")
    assert told(run_id=f"{here}-5") == []
