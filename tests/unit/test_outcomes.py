"""What is reported of a chunk whose task returned no result."""

from __future__ import annotations

import pytest
from distributed import KilledWorker

from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.workers.outcomes import lost

CHUNK = Chunk(7, ChunkKind.WHOLE)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("of Dask"), "ValueError: of Dask"),
        (KilledWorker("mapper-chunk-7", "tcp://h:1", 3), "KilledWorker: each worker process"),
    ],
)
def test_an_error_of_dask_is_the_chunks(error: Exception, text: str) -> None:
    for outcome in (error, (type(error), error, None)):
        result = lost(CHUNK, outcome)
        assert result.chunk_id == 7
        assert str(result.error).startswith(text)


def test_a_worker_that_died_names_what_to_do() -> None:
    said = str(lost(CHUNK, KilledWorker("mapper-chunk-7", "tcp://h:1", 3)).error)
    for remedy in ("memory", "chunk_size", "transformation_logic", "os._exit"):
        assert remedy in said
    assert "logs" not in said
