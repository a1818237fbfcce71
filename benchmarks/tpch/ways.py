"""The ways that are compared, as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.tpch.lineitem import Workload

ChunkSize = int | Literal["auto"]
Kind = Literal["limit", "ours", "peer"]
Size = Literal["all", "large", "middle", "small"]
"""How many rows a way moves: slow ones move the first rows only, and are compared per row."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of moving the rows, with one workload."""

    name: str
    """For ``--only`` and the results file."""
    label: str
    """For the table."""
    kind: Kind
    workload: Workload
    target: str
    size: Size = "all"
    guess: float = 1.0
    """Microseconds a row on two slow cores: only the estimate of the time left uses it."""
    strategy: str = ""
    chunk_size: ChunkSize = "auto"
    """Of ours, as is ``strategy``."""
    peer: str = ""
    module: str = ""
    arguments: tuple[str, ...] = ()
    own_environment: bool = True
    """Whether a peer runs in the peers' environment, or in the development environment."""
    required: bool = False
    """Whether a peer is measured in every round, because a claim rests on it."""
    function: str = ""
    """What the transform is written in: Python on the rows, or the peer's own expressions."""
    note: str = ""

    @property
    def lossy(self) -> bool:
        """Whether the numerics become doubles in the target."""
        return self.target.endswith("_floats")


LIMIT = Way(
    "limit", "two streams of binary COPY", "limit", "identity", "copied", guess=1.3,
    note="the limit; without function, plan, snapshot or ledger",
)  # fmt: skip

STRATEGIES = ("ROWID_BASED", "KEY_BASED")

WORKLOADS: tuple[tuple[Workload, str, float], ...] = (
    ("identity", "copied", 1.5),
    ("transform", "revenues", 1.8),
)
"""Each with its target, and microseconds a row for the estimate."""

FIXED_ROWS = 50_000
"""Rows a chunk beside the automatic size: the library's default."""


def _chunk_sizes(fixed_rows: int) -> tuple[tuple[str, ChunkSize], ...]:
    return ("auto", "auto"), ("fixed", fixed_rows)


def ours(fixed_rows: int = FIXED_ROWS) -> list[Way]:
    """Return this library's ways: each workload, strategy and chunk size."""
    return [
        Way(
            f"{workload}-{strategy.partition('_')[0].lower()}-{sized}",
            f"mapper_dask, {strategy}, chunks: {size if size == 'auto' else f'{size:,}'}",
            "ours", workload, target, guess=guess, strategy=strategy, chunk_size=size,
            function="pandas" if workload == "transform" else "",
        )
        for workload, target, guess in WORKLOADS
        for strategy in STRATEGIES
        for sized, size in _chunk_sizes(fixed_rows)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer, for all its workloads."""

    name: str
    label: str
    module: str
    guess: float
    size: Size = "large"
    arguments: tuple[str, ...] = ()
    workloads: Sequence[Workload] = ("identity", "transform")
    own_environment: bool = True
    required: bool = False
    floats: bool = False
    function: str = "pandas"
    note: str = ""

    def ways(self) -> list[Way]:
        """Return one way a workload."""
        kept = {"identity": "copied", "transform": "revenues"}
        return [
            Way(
                f"{workload}-{self.name}", self.label, "peer", workload,
                kept[workload] + ("_floats" if self.floats else ""), self.size, self.guess,
                peer=self.name, module=self.module, arguments=self.arguments,
                own_environment=self.own_environment, required=self.required,
                function=self.function if workload == "transform" else "", note=self.note,
            )
            for workload in self.workloads
        ]  # fmt: skip


PEERS = (
    Peer(
        "dask", "Dask `read_sql_query` + `to_sql`", "dask_sql", 60, "small",
        own_environment=False, required=True, note="numerics through floats",
    ),
    Peer(
        "dask_copy", "Dask, `to_sql` with pandas's COPY recipe", "dask_sql", 15, "small",
        ("copy",), own_environment=False, note="numerics through floats",
    ),
    Peer(
        "pandas", "pandas `read_sql` + `to_sql`", "pandas_sql", 80, "small",
        own_environment=False, required=True, note="numerics through floats",
    ),
    Peer(
        "pandas_copy", "pandas, `to_sql` with its COPY recipe", "pandas_sql", 20, "small",
        ("copy",), own_environment=False, note="numerics through floats",
    ),
    Peer(
        "adbc", "ADBC, numerics as decimals", "adbc", 4, required=True,
        note="one process, streaming",
    ),
    Peer(
        "adbc_floats", "ADBC, numerics as doubles", "adbc", 3, arguments=("floats",),
        required=True, floats=True, note="one process, streaming; target of doubles",
    ),
    Peer(
        "polars_connectorx", "polars, read by connectorx", "polars_frames", 6,
        arguments=("connectorx",), required=True, function="polars expressions",
        note="whole table in memory",
    ),
    Peer(
        "polars_adbc", "polars, read by ADBC", "polars_frames", 5, arguments=("adbc",),
        required=True, function="polars expressions", note="whole table in memory",
    ),
    Peer(
        "connectorx", "connectorx, written by ADBC", "connectorx_read", 6,
        note="whole table in memory",
    ),
    Peer(
        "pyspark", "PySpark JDBC", "pyspark_jdbc", 12, function="Spark expressions",
        note="two local cores",
    ),
    Peer("dlt", "dlt, pyarrow backend", "dlt_pipeline", 25, "middle", note="through files"),
    Peer(
        "sling", "sling", "sling_cli", 12, "middle", workloads=("identity",),
        note="its start is counted",
    ),
    Peer(
        "pgcopydb", "pgcopydb, two jobs", "pgcopydb_cli", 2, "all", workloads=("identity",),
        own_environment=False, required=True, note="gets the halves as two tables; vacuums them",
    ),
)  # fmt: skip


def chosen(only: Sequence[str], peers: Sequence[str], fixed_rows: int = FIXED_ROWS) -> list[Way]:
    """Return the ways of a call: the limit always, ours and peers as asked.

    Raises
    ------
    ValueError
        When a name is no way's.
    """
    known = {peer.name for peer in PEERS}
    if unknown := set(peers) - known - {"all", "none"}:
        message = f"no peer {', '.join(sorted(unknown))}; there are all, none, {', '.join(known)}"
        raise ValueError(message)
    named = known if "all" in peers else set(peers)
    ways = ours(fixed_rows) + [way for peer in PEERS if peer.name in named for way in peer.ways()]
    if unknown := set(only) - {way.name for way in ways} - {"limit"}:
        message = f"no way {', '.join(sorted(unknown))}; there are " + ", ".join(
            way.name for way in ways
        )
        raise ValueError(message)
    return [LIMIT, *(way for way in ways if not only or way.name in only)]
