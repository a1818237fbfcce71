"""Move the result of any SQL query through a pandas function into another table, exactly once.

A name is imported at its first use, so that a worker that moves chunks loads neither the modules
that plan them nor the driver of a database it does not use.
"""

import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapper_dask.chunk.chunk_processor import ChunkProcessor
    from mapper_dask.errors import MapperError, RunFailedError
    from mapper_dask.events.run_events import Progress, RunEnded, RunEvent, RunRefused, RunStarted
    from mapper_dask.flow import Flow, FlowJob, FlowResult
    from mapper_dask.flows.execution_engine import ExecutionEngine
    from mapper_dask.frames import read_sql_query
    from mapper_dask.incremental import Incremental
    from mapper_dask.ledger.rejects import reject
    from mapper_dask.mapper_job import MapperJob
    from mapper_dask.parallel_models import Chunk, ChunkConfig, ChunkingStrategy, ChunkResult
    from mapper_dask.parallel_processor import ParallelProcessor
    from mapper_dask.parallel_result import ParallelProcessingResult
    from mapper_dask.plan.chunk_manager import ChunkManager
    from mapper_dask.plan.chunk_plan import ChunkPlan
    from mapper_dask.repair.reconcile import Reconciliation
    from mapper_dask.run.handle import RunHandle

__all__ = [
    "Chunk",
    "ChunkConfig",
    "ChunkManager",
    "ChunkPlan",
    "ChunkProcessor",
    "ChunkResult",
    "ChunkingStrategy",
    "ExecutionEngine",
    "Flow",
    "FlowJob",
    "FlowResult",
    "Incremental",
    "MapperError",
    "MapperJob",
    "ParallelProcessingResult",
    "ParallelProcessor",
    "Progress",
    "Reconciliation",
    "RunEnded",
    "RunEvent",
    "RunFailedError",
    "RunHandle",
    "RunRefused",
    "RunStarted",
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
    "ExecutionEngine": "mapper_dask.flows.execution_engine",
    "Flow": "mapper_dask.flow",
    "FlowJob": "mapper_dask.flow",
    "FlowResult": "mapper_dask.flow",
    "Incremental": "mapper_dask.incremental",
    "MapperError": "mapper_dask.errors",
    "MapperJob": "mapper_dask.mapper_job",
    "ParallelProcessingResult": "mapper_dask.parallel_result",
    "ParallelProcessor": "mapper_dask.parallel_processor",
    "Progress": "mapper_dask.events.run_events",
    "Reconciliation": "mapper_dask.repair.reconcile",
    "RunEnded": "mapper_dask.events.run_events",
    "RunEvent": "mapper_dask.events.run_events",
    "RunFailedError": "mapper_dask.errors",
    "RunHandle": "mapper_dask.run.handle",
    "RunRefused": "mapper_dask.events.run_events",
    "RunStarted": "mapper_dask.events.run_events",
    "read_sql_query": "mapper_dask.frames",
    "reject": "mapper_dask.ledger.rejects",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("mapper-dask")
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    found = getattr(importlib.import_module(_PLACES[name]), name)
    _enter_settings()
    return found


def __dir__() -> list[str]:
    return __all__


def _enter_settings() -> None:
    """Register the settings with Dask, for ``dask.config.get("mapper-dask.chunk-size")``.

    Dask is not imported for that: to check a job file needs none of it.
    """
    if "dask.config" in sys.modules:
        settings = importlib.import_module("mapper_dask.settings")
        settings.register(sys.modules["dask.config"])


_enter_settings()
logging.getLogger("mapper_dask").addHandler(logging.NullHandler())
