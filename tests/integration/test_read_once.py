"""A query that is read once is spooled, cut there, and moved in parallel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database import Databases
from tests.fault.reading_once import (
    CHUNKS,
    ROWS,
    WAYS,
    assert_every_row_once,
    folders,
    job,
    processor,
    stage,
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("workers", [1, 2])
def test_one_statement_feeds_all_chunks(databases: Databases, tmp_path: Path, way, workers):
    stage(databases)

    result = processor(tmp_path, max_workers=workers).run(
        job(databases.source.url, databases.target.url, **WAYS[way])
    )

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.chunks_total == CHUNKS
    assert result.consistent
    assert_every_row_once(databases)
    assert folders(tmp_path) == []
