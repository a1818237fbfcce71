"""Move the result of any SQL query through a pandas function into another table, exactly once.

A name is imported when it is first asked for: a worker that moves chunks holds neither what plans
them nor the driver of a database it does not speak to.
"""

import importlib
import importlib.abc
import logging
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapper_dask.chunk.chunk_processor import ChunkProcessor
    from mapper_dask.chunk.rejects import reject
    from mapper_dask.errors import MapperError
    from mapper_dask.flow import Flow, FlowJob, FlowResult, Incremental
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
    from mapper_dask.run.events import Progress, RunEnded, RunEvent, RunRefused, RunStarted
    from mapper_dask.run.execution_engine import ExecutionEngine
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
    "ExecutionEngine": "mapper_dask.run.execution_engine",
    "Flow": "mapper_dask.flow",
    "FlowJob": "mapper_dask.flow",
    "FlowResult": "mapper_dask.flow",
    "Incremental": "mapper_dask.flow",
    "MapperError": "mapper_dask.errors",
    "MapperJob": "mapper_dask.mapper_job",
    "ParallelProcessingResult": "mapper_dask.parallel_models",
    "ParallelProcessor": "mapper_dask.run.parallel_processor",
    "Progress": "mapper_dask.run.events",
    "Reconciliation": "mapper_dask.run.reconcile",
    "RunEnded": "mapper_dask.run.events",
    "RunEvent": "mapper_dask.run.events",
    "RunHandle": "mapper_dask.run.handle",
    "RunRefused": "mapper_dask.run.events",
    "RunStarted": "mapper_dask.run.events",
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


class _WithDask(importlib.abc.MetaPathFinder):
    """Enters the packaged settings in Dask's configuration as soon as that is there.

    ``dask.config.get("mapper-dask.chunk-size")`` then works whichever of the two is imported first,
    and who needs no Dask, such as a check of a job file, does not wait for it. This finds nothing:
    it is asked for each module that is imported, and so for the one behind ``dask.config``.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        del name, path, target
        config = sys.modules.get("dask.config")
        if getattr(config, "defaults", None) and self in sys.meta_path:  # Dask's own are in
            sys.meta_path.remove(self)
            importlib.import_module("mapper_dask.settings").register(config)


sys.meta_path.insert(0, _WithDask())
if "dask.config" in sys.modules:
    importlib.import_module("mapper_dask.settings")  # any import will do

logging.getLogger("mapper_dask").addHandler(logging.NullHandler())
