"""Counts a run's rows again in source, ledger and target, and clears chunks that differ.

In the target, the rows in a chunk's range of keys are counted. That needs a plan by key, and rows
that keep their keys. Other rows in that range are distinguished from the run's own by the
transactions that wrote them, if the database stores those with its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from mapper_dask.chunk.extract import source_session
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.opening import open_target
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.dialects.target import Target
from mapper_dask.errors import ConfigurationError, SnapshotLostError
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.mapper_job import MapperJob
from mapper_dask.naming import session_tag
from mapper_dask.parallel_models import Chunk, ChunkKind, ChunkResult
from mapper_dask.preflight.checks import target_table
from mapper_dask.rendering import Line, as_html, as_text
from mapper_dask.repair.take_back import Proofs, Repairer
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.run.resumed import replanned, require_snapshot
from mapper_dask.schema.facts import SourceQuery, TargetTable, TypeFamily
from mapper_dask.spool.files import in_file

COMPARABLE = (
    TypeFamily.INTEGER,
    TypeFamily.DECIMAL,
    TypeFamily.DATE,
    TypeFamily.TIMESTAMP,
    TypeFamily.TIMESTAMP_TZ,
)
"""Families of keys that both databases order alike; texts depend on their collations."""

SHOWN = 10
"""Differing chunks that are printed; ``to_frame`` has all of them."""


@dataclass(frozen=True, slots=True)
class ChunkCheck:
    """One chunk, counted again."""

    chunk_id: int
    bounds: str
    """Its rows, in words."""
    committed: bool
    """Whether it is committed according to the ledger."""
    source_rows: int
    """Rows in the source now, or in the run's snapshot while that exists."""
    read_rows: int
    """Rows read according to the ledger."""
    loaded_rows: int
    """Rows loaded according to the ledger."""
    target_rows: int | None = None
    """Rows in the chunk's range in the target; None if a range does not identify them."""
    own_rows: int | None = None
    """Those that can be the run's: the rows its transactions wrote, if these are all that were
    loaded; else the rows that no other run inserted. None if that is not known."""
    source_sum: str | None = None
    """Sum of a digest of each row, in any order; None unless asked for."""
    target_sum: str | None = None

    @property
    def differs(self) -> bool:
        """Whether any of its numbers differ."""
        return (
            not self.committed
            or self.source_rows != self.read_rows
            or self._rows_there not in (None, self.loaded_rows)
            or self.source_sum != self.target_sum
        )

    @property
    def _rows_there(self) -> int | None:
        return self.target_rows if self.own_rows is None else self.own_rows


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result of counting a run's rows again."""

    run_id: str
    checks: tuple[ChunkCheck, ...]
    """One a chunk, in the plan's order."""
    same_snapshot: bool
    """Whether the source was counted in the run's own snapshot; else as it is now."""
    target_rows: int
    """Rows in the target, with those of other runs."""
    repaired: tuple[int, ...] = ()
    """Chunks that were loaded again before this count."""
    read_once: bool = False
    """Whether the source was not counted: another statement may return other rows, so the numbers
    of the run's one reading are taken from the ledger."""

    @property
    def differences(self) -> tuple[ChunkCheck, ...]:
        """Chunks that differ."""
        return tuple(check for check in self.checks if check.differs)

    @property
    def matches(self) -> bool:
        """Whether no chunk differs, and the target has at least the rows that were loaded."""
        return not self.differences and self.target_rows >= self._loaded

    @property
    def _loaded(self) -> int:
        return sum(check.loaded_rows for check in self.checks)

    def to_frame(self) -> pd.DataFrame:
        """Return the checks as a pandas frame, one row a chunk."""
        return pd.DataFrame([{**asdict(c), "differs": c.differs} for c in self.checks])

    def __str__(self) -> str:
        return as_text(self._headline, self._lines())

    def _repr_html_(self) -> str:
        return as_html(self._headline, self._lines())

    @property
    def _headline(self) -> str:
        return "run adds up" if self.matches else "run DOES NOT ADD UP"

    def _lines(self) -> list[Line]:
        source = sum(check.source_rows for check in self.checks)
        state = "in the run's own snapshot" if self.same_snapshot else "as it is now"
        if self.read_once:
            state = "as the one reading gave them; the query is not asked again"
        lines = [
            ("run", self.run_id),
            ("rows at the source", f"{source:,}, {state}"),
            ("rows read", f"{sum(check.read_rows for check in self.checks):,}"),
            ("rows loaded", f"{self._loaded:,}"),
            ("rows in the target", f"{self.target_rows:,}"),
            ("chunks that differ", f"{len(self.differences):,} of {len(self.checks):,}"),
        ]
        lines += [("chunk", _line(check)) for check in self.differences[:SHOWN]]
        return lines + ([("repaired", ", ".join(map(str, self.repaired)))] if self.repaired else [])


def _line(check: ChunkCheck) -> str:
    if not check.committed:
        return f"{check.chunk_id} {check.bounds}: not committed"
    target = "" if check.target_rows is None else f", {check.target_rows:,} in the target"
    if check.own_rows not in (None, check.target_rows):
        target += f" ({check.own_rows:,} of them can be the run's)"
    sums = "" if check.source_sum == check.target_sum else ", of other content"
    return (
        f"{check.chunk_id} {check.bounds}: {check.source_rows:,} at the source, "
        f"{check.read_rows:,} read, {check.loaded_rows:,} loaded{target}{sums}"
    )


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Counts the chunks of one stored run."""

    job: MapperJob
    stored: StoredRun
    source: ConnectionRef
    target: ConnectionRef
    query: SourceQuery
    """The query of the chunks."""
    known: Sequence[tuple[Chunk, ChunkResult]]
    table: TargetTable

    @property
    def by_range(self) -> bool:
        """Whether a chunk's range of keys identifies its rows in the target."""
        keys = [self.table.column(key.name) for key in self.query.keys]
        kinds = {ChunkKind.KEY_RANGE, ChunkKind.NULL_KEY, ChunkKind.WHOLE}
        return (
            self.job.transformation_logic is None
            and {chunk.kind for chunk, _ in self.known} <= kinds
            and all(
                key is not None and _ordered_alike(of_source.family, key.family)
                for key, of_source in zip(keys, self.query.keys, strict=True)
            )
        )

    @property
    def read_once(self) -> bool:
        """Whether its chunks are files of one reading."""
        return any(in_file(chunk) for chunk, _ in self.known)

    def require(self, *, checksum: bool, repair: bool) -> None:
        """Refuse an option that this run does not allow.

        Raises
        ------
        ConfigurationError
            Names the option and the reason.
        """
        if (checksum or repair) and self.read_once:
            field = "checksum" if checksum else "repair"
            message = (
                f"{field} needs chunks that the source can be asked for again; the query of run "
                f"{self.stored.run_id!r} is read once, since another statement may give other rows"
            )
            raise ConfigurationError(message, field=field)
        if (checksum or repair) and not self.by_range:
            message = (
                f"{'checksum' if checksum else 'repair'} needs a run without a function whose key "
                "is a number or a time that the target has too: only then is a chunk's range of "
                "keys the same rows there"
            )
            raise ConfigurationError(message, field="checksum" if checksum else "repair")
        if repair and self.job.staged:
            message = (
                "repair loads into the target directly, which is not how this run's rows enter it: "
                "run the job again under another run_id"
            )
            raise ConfigurationError(message, field="repair")
        unlike = [c.name for c in self.query.columns if not self._alike(c.name, c.type_name)]
        if checksum and unlike:
            message = f"checksum compares texts; {', '.join(unlike)} have other types in the target"
            raise ConfigurationError(message, field="checksum")

    def _alike(self, name: str, type_name: str) -> bool:
        column = self.table.column(name)
        return column is not None and column.type_name == type_name

    def run(self, *, checksum: bool) -> Reconciliation:
        """Count every chunk."""
        with open_target(self.target, "target_conn") as target:
            target.source.begin_read(None)
            proofs = Proofs.of(target, self.table, self.stored.run_id)
            counted = list(self._checks(target, proofs, checksum=checksum))
            total, _ = target.source.count(f"SELECT * FROM {self.table.quoted}")
        checks = tuple(check for check, _ in counted)
        same = self.stored.snapshot is not None and all(kept for _, kept in counted)
        return Reconciliation(self.stored.run_id, checks, same, total, read_once=self.read_once)

    def _checks(
        self, target: Target, proofs: Proofs, *, checksum: bool
    ) -> Iterator[tuple[ChunkCheck, bool]]:
        tag = session_tag(self.stored.run_id)
        read = ReadTask(self.source, self.query, 1, snapshot=self.stored.snapshot, tag=tag)
        for chunk, result in self.known:
            if in_file(chunk):
                rows, digest, kept = chunk.limit or 0, None, False
            else:
                rows, digest, writes, kept = _source_digest(read, chunk, checksum=checksum)
                if target.dialect.name == dialect_for(self.source).name:
                    target.source.write_as(writes)  # else one value may have two texts
            check = ChunkCheck(
                chunk.chunk_id,
                chunk.describe(),
                result.succeeded,
                rows,
                result.rows_read,
                result.rows_loaded,
                source_sum=digest,
            )
            if self.by_range:
                check = self._in_target(check, target, proofs, chunk, checksum=checksum)
            yield check, kept

    def _in_target(
        self, check: ChunkCheck, target: Target, proofs: Proofs, chunk: Chunk, *, checksum: bool
    ) -> ChunkCheck:
        """Return a check with what the target holds in the chunk's range."""
        numbers, count = proofs.numbers(chunk), proofs.in_range(self.query, chunk)
        there = f"SELECT * FROM {self.table.quoted}"
        own = None if numbers is None and not count.others else count.rows - count.others
        if numbers is not None and count.own == check.loaded_rows:
            own, there = count.own, target.evidence.only(self.table, numbers)
        digest = None
        if checksum:
            query = replace(self.query, sql=there, splice=None)
            source = target.source
            _, digest = source.digest(source.chunk_query(query, chunk), wanted=True)
        return replace(check, target_rows=count.rows, own_rows=own, target_sum=digest)

    def clear(self, checks: Sequence[ChunkCheck]) -> None:
        """Delete the rows of some chunks from the target, for a resumed run to load them again.

        Raises
        ------
        ConfigurationError
            When rows there cannot be proved to be the run's; nothing is changed.
        """
        wanted = {check.chunk_id for check in checks}
        chunks = [chunk for chunk, _ in self.known if chunk.chunk_id in wanted]
        Repairer(self.stored.run_id, self.target, self.table, self.query).clear(chunks)


def _source_digest(
    read: ReadTask, chunk: Chunk, *, checksum: bool
) -> tuple[int, str | None, Mapping[str, str], bool]:
    """Return a chunk's rows and checksum in the source, and whether the snapshot still existed.

    With the settings for values as texts, from which the checksum is computed.
    """
    try:
        with source_session(read, chunk) as session:
            rows, digest = session.session.digest(session.sql, wanted=checksum)
            writes = session.session.writes() if checksum else {}
            return rows, digest, writes, session.snapshot is not None
    except SnapshotLostError:
        if read.snapshot is None:
            raise
        return _source_digest(replace(read, snapshot=None), chunk, checksum=checksum)


def _ordered_alike(source: TypeFamily, target: TypeFamily) -> bool:
    """Return whether bounds select the same values in both columns."""
    widened = (source, target) == (TypeFamily.INTEGER, TypeFamily.DECIMAL)
    return source in COMPARABLE and (source is target or widened)


def reconciler(job: ResolvedJob, stored: StoredRun) -> Reconciler:
    """Return the reconciler of a stored run, over its source and its target as they are now.

    Raises
    ------
    TargetError
        When the target is gone.
    """
    source, target = job.source, job.loads_into
    require_snapshot(stored, dialect_for(source))
    known = RunLedger(target, stored.run_id).chunks()
    with keep_snapshot(source, consistent=False) as keeper:
        plan = replanned(job.job, stored, keeper, [chunk for chunk, _ in known])
    table = target_table(job, plan.query)
    return Reconciler(job.job, stored, source, target, plan.query, known, table)
