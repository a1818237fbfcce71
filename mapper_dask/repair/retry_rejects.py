"""Tries each rejected row again once, with the function as it is now.

The reject table holds what was refused. Without a function, or if the function raised, that is the
source's row: it passes through the whole chunk again. If the conversion or the database refused it,
it is what the function returned: it is loaded as it is, and does not pass the function again. If
the function marked it, it is what the function returned beside the mark: the source's row is read
by its key and judged again. A row that cannot be restored exactly stays rejected, with the reason.

One transaction for each chunk loads the rows, corrects the counts, and removes the rejects.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from mapper_dask.chunk.bisect import taken
from mapper_dask.chunk.drift import require_same_target
from mapper_dask.chunk.extract import read_batches, source_session
from mapper_dask.chunk.load import TargetSession, target_session
from mapper_dask.chunk.rows import process_batch, refused_by_target
from mapper_dask.chunk.task import ChunkTask, LoadTask
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.errors import ConfigurationError, LoadCountError
from mapper_dask.ledger.cleanup import every_run
from mapper_dask.ledger.lost import lost
from mapper_dask.ledger.refused_staged import refused_again
from mapper_dask.ledger.rejects import as_reason, as_rejects, plain_value
from mapper_dask.ledger.run_record import StoredRun
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.ledger.staging import STAGING_PREFIX
from mapper_dask.naming import fingerprint
from mapper_dask.parallel_models import Chunk, ChunkResult, Reject
from mapper_dask.preflight.checks import prepare
from mapper_dask.repair.retry_result import RetriedChunk, RetryResult
from mapper_dask.repair.stored_values import rows_as
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.retries import RetryPolicy, attempts
from mapper_dask.run.resumed import replanned
from mapper_dask.schema.facts import Column, Publication
from mapper_dask.spool.files import in_file

Key = tuple[str, ...]
"""A row's key as texts, by which a row of the source and a reject are compared."""


@dataclass(slots=True)
class _Again:
    """The outcome of a chunk's rejects so far."""

    loaded: int = 0
    still: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Staging:
    """The staging table of a retry that merges its rows; none if they are appended."""

    publication: Publication | None
    beside: bool
    """Whether the table is created before the transaction, and dropped after it."""

    def begun(self, target: TargetSession, load: LoadTask) -> LoadTask:
        """Return the load task of the rows, after creating the table if that is needed."""
        if self.publication is None:
            return load
        if not self.beside:
            target.session.create_staging(self.publication)
        return replace(load, table=replace(load.table, staging=self.publication.staging))

    def publish(self, target: TargetSession, again: _Again) -> None:
        """Publish the staged rows; those that the target refuses are rejected again."""
        if self.publication is None:
            return
        publish, keys = target.session.publish, self.publication.reject_keys
        if again.loaded:
            refused = refused_again(
                target.ledger, self.publication, again.loaded,
                lambda refused: as_rejects("load", refused, keys),
            )  # fmt: skip
            again.still += refused
            again.loaded -= len(refused)
        loaded = again.loaded
        published = publish(self.publication, loaded) if loaded else 0
        if published != loaded and not self.publication.newest_by:
            message = f"{loaded} rows waited, {published} entered {self.publication.target}"
            raise LoadCountError(message)
        if not self.beside:
            target.session.drop_table(self.publication.staging)


@dataclass(frozen=True, slots=True)
class Retrier:
    """Tries the rejects of a run's chunks again."""

    task: ChunkTask
    """The run's task, with the function as it is now, and a table that takes rows directly."""
    load: LoadTask
    publication: Publication | None = None
    """How rows are merged; None: they are appended."""

    def run(self, known: Sequence[tuple[Chunk, ChunkResult]]) -> RetryResult:
        """Return the outcome of the rejects of some chunks of the run."""
        done = [
            self._retried(chunk, result)
            for chunk, result in known
            if result.rows_rejected and result.succeeded
        ]
        return RetryResult(self.load.run_id, tuple(done))

    def _retried(self, chunk: Chunk, result: ChunkResult) -> RetriedChunk:
        for attempt in attempts(self.task.retries):
            with attempt:
                return self._attempt(chunk, result)
        raise AssertionError  # pragma: no cover - attempts return or raise

    def _attempt(self, chunk: Chunk, result: ChunkResult) -> RetriedChunk:
        """Retry a chunk in one transaction, which locks the chunk against another retry."""
        with self._staging(chunk) as staging, target_session(self.load, chunk.chunk_id) as target:
            require_ended(target, self.load.run_id, chunk.chunk_id)
            place = {"run_id": self.load.run_id, "chunk_id": chunk.chunk_id}
            if not target.ledger.store.run("ledger_claim", place):
                raise lost(self.load.run_id, chunk.chunk_id)
            rejects = target.ledger.rejects_of(self.load.run_id, chunk.chunk_id)
            load = staging.begun(target, self.load)
            again = self._again(target, load, chunk, result, rejects)
            staging.publish(target, again)
            require_same_target(target, self.load.table)
            target.ledger.retried(self.load.run_id, chunk.chunk_id, again.loaded, again.still)
        return RetriedChunk(chunk.chunk_id, len(rejects), again.loaded, len(again.still))

    @contextlib.contextmanager
    def _staging(self, chunk: Chunk) -> Iterator[_Staging]:
        """Lend the staging table of a chunk's rows.

        It is created in the retry's transaction, or in another one if DDL commits.
        """
        publication = self.publication
        beside = (
            publication is not None
            and not dialect_for(self.load.target).capabilities.transactional_ddl
        )
        staging = _Staging(publication, beside=beside)
        if publication is None or not beside:
            yield staging
            return
        with target_session(self.load, chunk.chunk_id) as target:
            target.session.drop_table(publication.staging)
            target.session.create_staging(publication)
        try:
            yield staging
        finally:
            with target_session(self.load, chunk.chunk_id) as target:
                target.session.drop_table(publication.staging)

    def _again(
        self,
        target: TargetSession,
        load: LoadTask,
        chunk: Chunk,
        result: ChunkResult,
        rejects: Sequence[Reject],
    ) -> _Again:
        again = _Again()
        whole, by_key, as_stored = self._sorted(rejects, chunk, result, again)
        columns = self.task.read.query.columns
        rows, refused = rows_as(columns, [reject.row for reject in whole], loading=False)
        again.still += [_with(whole[place], why) for place, why in refused.items()]
        self._through(target, load, rows, again)
        self._read_again(target, load, chunk, by_key, again)
        self._load_as_stored(target, load, as_stored, again)
        return again

    def _sorted(
        self, rejects: Sequence[Reject], chunk: Chunk, result: ChunkResult, again: _Again
    ) -> tuple[list[Reject], list[Reject], list[Reject]]:
        """Return rows of the source, rows to read again by key, and rows to load as stored."""
        whole: list[Reject] = []
        by_key: list[Reject] = []
        as_stored: list[Reject] = []
        for reject in rejects:
            if self._is_of_source(reject):
                whole.append(reject)
            elif reject.stage != "transform":
                as_stored.append(reject)
            elif why := self._unfindable(reject, chunk, result):
                again.still.append(_with(reject, why))
            else:
                by_key.append(reject)
        return whole, by_key, as_stored

    def _is_of_source(self, reject: Reject) -> bool:
        """Return whether the stored row is certainly one of the source."""
        read = {column.name for column in self.task.read.query.columns}
        if self.task.function is None:
            return reject.stage == "encode"
        made = self.load.expected
        return reject.stage == "transform" and set(reject.row) == read and set(made or read) != read

    def _unfindable(self, reject: Reject, chunk: Chunk, result: ChunkResult) -> str:
        """Return why the source's row of a marked one cannot be read again; empty if it can."""
        if in_file(chunk):
            return "its query is read once: another statement may give another row of its key"
        if reject.key is None or set(reject.key) != set(self.task.keys):
            return "what is stored is what the function returned, without a key to read it again by"
        if result.rows_out > result.rows_read:
            return "the function returned several rows for one, so it cannot be tried again alone"
        return ""

    def _through(
        self, target: TargetSession, load: LoadTask, rows: pa.Table, again: _Again
    ) -> None:
        """Process rows of the source as a chunk does; those that are refused stay rejected."""
        if rows.num_rows == 0:
            return
        task = replace(self.task, load=load)
        batch = process_batch(task, rows, self._limit(rows.num_rows))
        again.still += batch.rejects
        self._load(target, load, batch.encoded.rows, again)

    def _load(
        self, target: TargetSession, load: LoadTask, rows: pa.Table, again: _Again
    ) -> dict[int, str]:
        if rows.num_rows == 0:
            return {}
        done = target.session.load_skipping_refused(load.table, rows, rows.num_rows)
        again.loaded += done.rows
        again.still += refused_by_target(self.task, rows, dict(done.refused))
        return dict(done.refused)

    def _limit(self, rows: int) -> int:
        """Return the rows that may be rejected: all, and those a function makes of them."""
        return max(rows, self.task.reject_limit) * MADE_OF_ONE

    def _read_again(
        self,
        target: TargetSession,
        load: LoadTask,
        chunk: Chunk,
        rejects: Sequence[Reject],
        again: _Again,
    ) -> None:
        """Pass rows that the function marked through it again, as they are at the source now."""
        if not rejects:
            return
        by_key = Counter(self._key(reject) for reject in rejects)
        found = self._found(chunk, by_key)
        at_source = Counter(_keys_of(found, self.task.keys))
        sure = {}
        for reject in rejects:
            key = self._key(reject)
            if not at_source[key]:
                again.still.append(_with(reject, "the source has no row of its key any more"))
            elif by_key[key] > 1 or at_source[key] > 1:
                again.still.append(_with(reject, "several rows have its key"))
            else:
                sure[key] = reject
        places = [n for n, key in enumerate(_keys_of(found, self.task.keys)) if key in sure]
        if places:
            self._one_for_one(target, load, taken(found, places), sure, again)

    def _one_for_one(
        self,
        target: TargetSession,
        load: LoadTask,
        rows: pa.Table,
        sure: Mapping[Key, Reject],
        again: _Again,
    ) -> None:
        """Load rows that were read again, if the function keeps each one's key.

        If it makes other rows of them, some of those may have been loaded before.
        """
        batch = process_batch(replace(self.task, load=load), rows, self._limit(rows.num_rows))
        made = [_key_of(row, self.task.keys) for row in batch.encoded.rows.to_pylist()]
        made += [self._key(reject) for reject in batch.rejects]
        if len(set(made)) == len(made) and set(made) <= set(sure):
            again.still += batch.rejects
            self._load(target, load, batch.encoded.rows, again)
            return
        why = "the function changes its key, or makes several rows of it"
        again.still += [_with(reject, why) for reject in sure.values()]

    def _key(self, reject: Reject) -> Key:
        return _key_of(reject.key or {}, self.task.keys)

    def _found(self, chunk: Chunk, wanted: Container[Key]) -> pa.Table:
        """Return the rows of a chunk that have one of some keys."""
        parts = []
        with source_session(self.task.read, chunk) as session:
            for rows in read_batches(session, self.task.read):
                keys = enumerate(_keys_of(rows, self.task.keys))
                parts.append(taken(rows, [place for place, key in keys if key in wanted]))
        return pa.concat_tables(parts)

    def _load_as_stored(
        self, target: TargetSession, load: LoadTask, rejects: Sequence[Reject], again: _Again
    ) -> None:
        """Load rows as the function returned them."""
        groups: dict[tuple[str, ...], list[Reject]] = {}
        for reject in rejects:
            groups.setdefault(tuple(sorted(reject.row)), []).append(reject)
        for names, group in groups.items():
            columns = [c for name in names if (c := load.table.column(name)) is not None]
            if len(columns) < len(names):
                missing = ", ".join(n for n in names if load.table.column(n) is None)
                again.still += [_with(r, f"the target has no column {missing}") for r in group]
                continue
            self._load_group(target, load, columns, group, again)

    def _load_group(
        self,
        target: TargetSession,
        load: LoadTask,
        columns: Sequence[Column],
        group: Sequence[Reject],
        again: _Again,
    ) -> None:
        rows, inexact = rows_as(columns, [reject.row for reject in group], loading=True)
        again.still += [_with(group[place], why) for place, why in inexact.items()]
        kept = [reject for place, reject in enumerate(group) if place not in inexact]
        done = target.session.load_skipping_refused(load.table, rows, max(1, rows.num_rows))
        again.loaded += done.rows
        again.still += [
            replace(kept[place], stage="load", reason=as_reason(why))
            for place, why in done.refused.items()
        ]


MADE_OF_ONE = 100
"""Rows that a function may make of one, and that may be refused, in a retry."""


def _with(reject: Reject, why: str) -> Reject:
    """Return a row that stays rejected, with the new reason."""
    first = reject.reason.split(STAYS)[0]
    return replace(reject, reason=as_reason(f"{first}{STAYS}{why}"))


STAYS = " — not tried again: "
"""Separates the reason of a reject from the reason why it could not be tried again."""


def _keys_of(rows: pa.Table, keys: Sequence[str]) -> list[Key]:
    return [_key_of(row, keys) for row in rows.select(list(keys)).to_pylist()]


def _key_of(row: Mapping[str, Any], keys: Sequence[str]) -> Key:
    """Return a row's key as texts; numbers of one value are one text."""
    return tuple(_written(row.get(key)) for key in keys)


def _written(value: Any) -> str:
    plain = plain_value(value)
    try:
        return f"{plain.normalize():f}" if hasattr(plain, "normalize") else str(plain)
    except (ArithmeticError, ValueError):
        return str(plain)


def require_ended(target: TargetSession, run_id: str, chunk_id: int) -> None:
    """Refuse a run that is under way; lock one that has ended, until this transaction ends.

    Raises
    ------
    ConfigurationError
        When it is running.
    LedgerLostError
        When it is not in the ledger any more.
    """
    values = {"run_id": run_id, "chunk_id": chunk_id}
    state = target.ledger.store.run("ledger_share_run", values)
    if not state:
        raise lost(run_id)
    if state not in ([("SUCCEEDED",)], [("FAILED",)], [("CANCELLED",)]):
        message = (
            f"run {run_id!r} is {state[0][0]}: its rejects can be tried again "
            "once it has ended; resume it first"
        )
        raise ConfigurationError(message, field="run_id", run_id=run_id)


def retry(job: ResolvedJob, stored: StoredRun, retry_policy: RetryPolicy) -> RetryResult:
    """Try the rejects of a run again, after it has ended.

    Parameters
    ----------
    job
        The run's job, with the function as it is now.

    Raises
    ------
    ConfigurationError
        When the run is under way, or a later one has overwritten its rows.
    """
    mapper, source, target = job.job, job.source, job.loads_into
    known = RunLedger(target, stored.run_id).chunks()
    if not any(result.rows_rejected for _, result in known):
        return RetryResult(stored.run_id)
    require_latest(target, stored)
    with keep_snapshot(source, consistent=False) as keeper:
        plan = replanned(mapper, stored, keeper, [chunk for chunk, _ in known])
        prepared = prepare(job, plan, keeper, retry_policy)
    load = prepared.task.load
    assert load is not None  # noqa: S101 - a run in the ledger has a target
    load = replace(load, table=replace(load.table, staging=None, chunk_column=None))
    publication = prepared.publication if mapper.write_disposition == "merge" else None
    if publication is not None:
        name = STAGING_PREFIX + fingerprint(stored.run_id, "rejects")
        quote = dialect_for(target).quote
        publication = replace(
            publication,
            staging_name=name,
            staging=f"{quote(publication.schema)}.{quote(name)}",
            chunk_column="",
        )
    return Retrier(replace(prepared.task, load=load), load, publication).run(known)


def require_latest(target: ConnectionRef, stored: StoredRun) -> None:
    """Refuse a run if a later one has replaced its rows, or merged newer ones.

    Raises
    ------
    ConfigurationError
        Names the later run.
    """
    ours = stored.plan.job["write_disposition"]
    for later in every_run(target):  # the newest first
        if later.run_id == stored.run_id:
            return
        over = later.write_disposition == "replace" or later.write_disposition == ours == "merge"
        if over and later.state == "SUCCEEDED" and later.target == stored.plan.target:
            message = (
                f"run {later.run_id!r} has written into {later.target} since by "
                f"{later.write_disposition}; rows of run {stored.run_id!r} would undo that"
            )
            raise ConfigurationError(message, field="run_id", run_id=stored.run_id)
