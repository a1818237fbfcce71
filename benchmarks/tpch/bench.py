"""What all parts of a run share, and how one way is run once: empty target, time, verification."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.tpch import limit, ours
from benchmarks.tpch.lineitem import create_table, half_tables, source_table
from benchmarks.tpch.results import Results
from benchmarks.tpch.run_peer import NotRunError, peer_target, run_peer
from benchmarks.tpch.server import Server
from benchmarks.tpch.timing import Timing
from benchmarks.tpch.verify import WrongRowsError, verify
from benchmarks.tpch.ways import Size, Way
from mapper_dask import ChunkingStrategy

SAMPLED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Bench:
    """A loaded server, and where the results go."""

    server: Server
    sizes: dict[Size, int]
    """Rows that ways of each size move."""
    results: Results
    out: Path
    """Folder of the results file and the document."""

    def save(self) -> None:
        """Write what there is."""
        self.results.save(self.out)

    def empty(self, *targets: str) -> None:
        """Leave nothing behind for the next way: no rows, no dirty pages."""
        self.server.execute("target", *(f"TRUNCATE {name}" for name in targets), "CHECKPOINT")


def measure(bench: Bench, client: Any, way: Way) -> Timing | None:
    """Run a way once, verified. None: a peer did not make it, and the results say why.

    Raises
    ------
    WrongRowsError
        When this library or the limit left wrong rows: then no figure is worth anything.
    """
    rows = bench.sizes[way.size]
    table = source_table(rows)
    match way.kind:
        case "limit":
            bench.empty(way.target)
            timing = Timing(rows, limit.two_streams(bench.server, table, way.target))
            verify(bench.server, table, way.workload, way.target)
            return timing
        case "ours":
            return measure_ours(bench, client, way, rows)
        case "peer":
            return _measure_peer(bench, way, rows)


def measure_ours(bench: Bench, client: Any, way: Way, rows: int) -> Timing:
    """Run one of this library's ways over the first so many rows, verified."""
    bench.empty(way.target)
    job = ours.job(
        bench.server, way.workload, rows, way.target,
        strategy=ChunkingStrategy[way.strategy], chunk_size=way.chunk_size,
    )  # fmt: skip
    timing = ours.timed(client, job, rows)
    verify(bench.server, source_table(rows), way.workload, way.target)
    return timing


def _measure_peer(bench: Bench, way: Way, rows: int) -> Timing | None:
    said = bench.results.ways.setdefault(way.name, {})
    if "not_run" in said:
        return None
    target = peer_target(way, rows)
    try:
        _empty_for(bench, way, target)
        answer = run_peer(bench.server, way, rows)
        verify(bench.server, source_table(rows), way.workload, target)
    except (NotRunError, WrongRowsError) as error:
        said["not_run"] = str(error)
        return None
    said["versions"] = answer.versions
    return answer.timing


def _empty_for(bench: Bench, way: Way, target: str) -> None:
    match way.peer:
        case "dlt":
            bench.server.execute(
                "target", "DROP SCHEMA IF EXISTS dlt_tpch, dlt_tpch_staging CASCADE", "CHECKPOINT"
            )
        case "pgcopydb":
            for half in half_tables(source_table(bench.sizes[way.size])):
                bench.server.execute("target", f"DROP TABLE IF EXISTS {half}", create_table(half))
            bench.empty()
        case _:
            bench.empty(target)


def row_bytes(server: Server, table: str) -> float:
    """Return the bytes of a row as COPY binary, of the first rows."""
    query = f"SELECT * FROM {table} LIMIT {SAMPLED_ROWS}"
    (rows,) = server.row("source", f"SELECT count(*) FROM ({query}) AS q")
    engine = sa.create_engine(server.url("source"), poolclass=sa.NullPool)
    with closing(engine.raw_connection()) as connection:
        data = BytesIO()
        connection.cursor().copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", data)
    return len(data.getvalue()) / int(rows)
