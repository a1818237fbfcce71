"""Move the result of any SQL query through a pandas function into another table, exactly once."""

import logging

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

logging.getLogger("mapper_dask").addHandler(logging.NullHandler())
