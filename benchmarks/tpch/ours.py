"""This library's own ways, on Dask worker processes that are up."""

from __future__ import annotations

import time

from distributed import Client

from benchmarks.tpch.lineitem import Workload, source_table
from benchmarks.tpch.server import Server
from benchmarks.tpch.timing import Timing
from benchmarks.tpch.transform import transform
from mapper_dask import ChunkingStrategy, ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.parallel_models import ChunkSize
from mapper_dask.workers.local_cluster import own_cluster

FUNCTIONS = {"identity": None, "transform": transform}

cluster = own_cluster
"""Worker processes as a run without a client starts them; their start is not what is measured."""


def job(
    server: Server,
    workload: Workload,
    rows: int,
    target: str,
    *,
    strategy: ChunkingStrategy,
    chunk_size: ChunkSize,
) -> MapperJob:
    """Return the job that moves so many rows into a target table."""
    return MapperJob(
        source_conn=server.url("source"),
        source_sql=f"SELECT * FROM {source_table(rows)}",
        transformation_logic=FUNCTIONS[workload],
        target_conn=server.url("target"),
        target_table=target,
        strategy=strategy,
        chunk_size=chunk_size,
    )


def timed(client: Client, one: MapperJob, rows: int) -> Timing:
    """Plan alone, for its share, and run; the run plans again, so its time holds all of it."""
    started = time.perf_counter()
    plan = ChunkManager().plan(one)
    planned = time.perf_counter()
    result = ParallelProcessor(client=client, progress=False).run(one)
    seconds = time.perf_counter() - planned
    result.raise_for_status()
    return Timing(
        rows,
        seconds,
        planning=planned - started,
        chunks=result.chunks_total,
        chunk_rows=max((chunk.rows_read for chunk in result.chunk_results), default=0),
        workers=tuple(sorted({_process(chunk.worker) for chunk in result.chunk_results})),
        plan=plan.config.strategy.name,
    )


def _process(worker: str) -> int:
    return int(worker.rpartition(":")[2])
