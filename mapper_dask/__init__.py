"""Move the result of any SQL query through a pandas function into another table, exactly once.

A name is imported when it is first asked for: a worker that moves chunks holds neither what plans
them nor the driver of a database it does not speak to.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapper_dask.chunk.chunk_processor import ChunkProcessor
    from mapper_dask.chunk.rejects import reject
    from mapper_dask.errors import MapperError
    from mapper_dask.frames import read_sql_query
    from mapper_dask.mapper_job import MapperJob
    from mapper_dask.parallel_models import (
        Chunk,
        ChunkConfig,
        ChunkingStrategy,
        ChunkResult,
        ParallelProcessingResult,
    )
    from mapper_dask.plan.chunk_manager import ChunkManager
    from mapper_dask.plan.chunk_plan import ChunkPlan
    from mapper_dask.run.handle import RunHandle
    from mapper_dask.run.parallel_processor import ParallelProcessor
    from mapper_dask.run.reconcile import Reconciliation

__all__ = [
    "Chunk",
    "ChunkConfig",
    "ChunkManager",
    "ChunkPlan",
    "ChunkProcessor",
    "ChunkResult",
    "ChunkingStrategy",
    "MapperError",
    "MapperJob",
    "ParallelProcessingResult",
    "ParallelProcessor",
    "Reconciliation",
    "RunHandle",
    "read_sql_query",
    "reject",
]

_PLACES = {
    "Chunk": "mapper_dask.parallel_models",
    "ChunkConfig": "mapper_dask.parallel_models",
    "ChunkManager": "mapper_dask.plan.chunk_manager",
    "ChunkPlan": "mapper_dask.plan.chunk_plan",
    "ChunkProcessor": "mapper_dask.chunk.chunk_processor",
    "ChunkResult": "mapper_dask.parallel_models",
    "ChunkingStrategy": "mapper_dask.parallel_models",
    "MapperError": "mapper_dask.errors",
    "MapperJob": "mapper_dask.mapper_job",
    "ParallelProcessingResult": "mapper_dask.parallel_models",
    "ParallelProcessor": "mapper_dask.run.parallel_processor",
    "Reconciliation": "mapper_dask.run.reconcile",
    "RunHandle": "mapper_dask.run.handle",
    "read_sql_query": "mapper_dask.frames",
    "reject": "mapper_dask.chunk.rejects",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__


logging.getLogger("mapper_dask").addHandler(logging.NullHandler())
