"""The library's entry point: an object that runs jobs, and manages their runs."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from distributed import Client

from mapper_dask import processor_arguments as arguments
from mapper_dask.chunk.chunk_processor import ChunkProcessor
from mapper_dask.chunk.task import ChunkTask
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.errors import ConfigurationError
from mapper_dask.events.watch import ProgressOptions, require_progress
from mapper_dask.halting import Halt
from mapper_dask.ledger import stored_runs
from mapper_dask.ledger.trust import REPAIR_FIELDS, REPAIR_GIVEN, require_trusted
from mapper_dask.limits.budget import Budget
from mapper_dask.mapper_job import MapperJob, required_job
from mapper_dask.options import with_known_options
from mapper_dask.parallel_models import Chunk, ChunkResult, ChunkSize, Transformation
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.blame import in_users_text
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.plan.params import with_params
from mapper_dask.plan.saved_plan import Plan
from mapper_dask.repair.reconcile import Reconciliation, reconciler
from mapper_dask.repair.retry_rejects import retry
from mapper_dask.repair.retry_result import RetryResult
from mapper_dask.resolved_job import resolved
from mapper_dask.retries import RetryPolicy
from mapper_dask.run.coordinator import Coordinator, begin, named, planned
from mapper_dask.run.execution import aggregated
from mapper_dask.run.handle import RunHandle
from mapper_dask.run.options import RunOptions
from mapper_dask.run.recall import Recall, source_named
from mapper_dask.run.run import Run
from mapper_dask.settings import Settings, resolve
from mapper_dask.spool.files import SETTING
from mapper_dask.spool.folder import parent_of, remove_of
from mapper_dask.tracebacks import OnFailure, without_frames
from mapper_dask.workers.engines import LoopEngine, Workers


@with_known_options
class ParallelProcessor:
    """Moves the result of a query through a pandas function into a table.

    An argument that is omitted, or None, has the settings' value: see :mod:`mapper_dask.settings`.
    The defaults named here are those of the packaged ``mapper-dask.yaml``.

    Parameters
    ----------
    max_workers
        Worker processes to use; by default all cores but one, at least 1. With a client, how many
        of its threads to keep busy; by default all.
    chunk_size
        Rows wanted a chunk, 50 000; ``"auto"`` for about 32 MB. It is used by
        ``process_mapper_job``: a :class:`~mapper_dask.MapperJob` has its own.
    enable_parallel
        True. False runs the chunks one after the other in this process.
    client
        A Dask client to use. Without one, the session's current client is used, else each run
        starts a cluster of processes on this machine, and closes it at its end. A single worker,
        or a job that fits one chunk, needs no cluster and runs in this process.
    scheduler_address
        A Dask scheduler to connect to, such as ``tcp://host:8786``. With a client, the client's
        scheduler is used.
    retries
        Attempts at a chunk whose error is transient, 10. One that gets no connection does not
        count.
    lock_timeout
        Seconds an attempt waits for a lock in the target, 30. A worker that froze while it held a
        chunk is found after that time, and its session ended.
    on_failure
        ``"raise"``: a run that has failed, was cancelled or has chunks left raises
        :class:`~mapper_dask.RunFailedError`, whose ``result`` has all counts. ``"return"``: its
        result is returned; check ``succeeded``.
    progress
        True to show progress, False not to, None to show it on a terminal or in a notebook; or a
        function that takes each :class:`~mapper_dask.RunEvent`, or an object with methods of
        :class:`~mapper_dask.Progress`; or a list of such. A hook is called in the run's thread,
        between two chunks. Its exceptions are logged, once, and do not affect the run.
    budget
        The connections its runs may hold, such as ``Budget(limit=20)``; processors that run jobs
        at the same time may share one. None: its own.
    settings
        The result of :func:`mapper_dask.settings.resolve`, such as with a job file's. None: they
        are resolved here.

    Raises
    ------
    ConfigurationError
        Names the argument whose value cannot be used.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        chunk_size: ChunkSize | None = None,
        enable_parallel: bool | None = None,  # noqa: FBT001
        *,
        client: Client | None = None,
        scheduler_address: str | None = None,
        retries: int | None = None,
        lock_timeout: float | None = None,
        on_failure: OnFailure | None = None,
        progress: ProgressOptions = None,
        budget: Budget | None = None,
        settings: Settings | None = None,
    ) -> None:
        arguments.require_workers(
            client, scheduler_address, max_workers=max_workers, retries=retries
        )
        arguments.require_chunk_size(chunk_size)
        if lock_timeout is not None:
            arguments.require_seconds("lock_timeout", lock_timeout)
        arguments.require_flag("enable_parallel", enable_parallel)
        arguments.require_on_failure(on_failure)
        require_progress(progress)
        known = settings if settings is not None else resolve()

        def settled(given: Any, key: str) -> Any:
            return given if given is not None else known.value(key)

        self.asked_workers: int | None = settled(max_workers, "max-workers")
        self.max_workers: int = self.asked_workers or max(1, (os.cpu_count() or 2) - 1)
        self.chunk_size: ChunkSize = settled(chunk_size, "chunk-size")
        self.enable_parallel: bool = settled(enable_parallel, "parallel")
        self.client = client
        self.scheduler_address: str | None = (
            None if client is not None else settled(scheduler_address, "scheduler-address")
        )
        self.budget = budget if budget is not None else Budget.of(known)
        lock_wait = float(settled(lock_timeout, "lock-timeout"))
        self.retry_policy = RetryPolicy(settled(retries, "retries"), lock_wait, self.budget.wait)
        self.on_failure: OnFailure = settled(on_failure, "on-failure")
        self.spool_parent = parent_of(known.value(SETTING))
        self.progress: ProgressOptions = settled(progress, "progress")
        self._job_fields = {**known.job_fields, "chunk_size": self.chunk_size}

    @property
    def options(self) -> RunOptions:
        """What its runs have in common."""
        return RunOptions(
            workers=Workers(
                parallel=self.enable_parallel,
                client=self.client,
                scheduler_address=self.scheduler_address,
                max_workers=self.max_workers,
                asked=self.asked_workers,
            ),
            retry_policy=self.retry_policy,
            budget=self.budget,
            spool_parent=self.spool_parent,
            progress=self.progress,
            on_failure=self.on_failure,
        )

    @without_frames
    def process_mapper_job(
        self,
        source_conn: Any,
        source_sql: str,
        transformation_logic: Transformation | None = None,
        target_conn: Any = None,
        target_schema: str | None = None,
        target_table: str | None = None,
        **options: Any,
    ) -> ParallelProcessingResult:
        """Run one job; see :class:`~mapper_dask.MapperJob` for every option.

        Returns
        -------
        ParallelProcessingResult
            With ``on_failure="return"`` also when chunks failed.

        Raises
        ------
        RunFailedError
            When chunks failed; it has the ``result``.
        ConfigurationError
            When the job cannot be used. No row was moved.
        DatabaseError
            When a database is unreachable or refuses the SQL. No row was moved.
        """
        arguments.require_known(options, MapperJob.__dataclass_fields__)
        return self.run(
            MapperJob(
                source_conn=source_conn,
                source_sql=source_sql,
                transformation_logic=transformation_logic,
                target_conn=target_conn,
                target_schema=target_schema,
                target_table=target_table,
                **{**self._job_fields, **options},
            )
        )

    @without_frames
    def run(self, job: MapperJob, *, plan: Plan | None = None) -> ParallelProcessingResult:
        """Run one job, or resume it if the target's ledger has its ``run_id``.

        Parameters
        ----------
        job
            What to move.
        plan
            An earlier plan of this job, or the path of a saved one: exactly its chunks are run.
            None: the job is planned now.

        Raises
        ------
        RunFailedError
            When chunks failed, unless ``on_failure="return"``.
        FingerprintError
            When the job, or the columns of its query, differ from the plan's.
        """
        return Coordinator(self.options, required_job(job), Halt(), plan).run()

    def start(self, job: MapperJob, *, plan: Plan | None = None) -> RunHandle:
        """Begin a job in the background and return at once; see :class:`RunHandle`.

        In a coroutine, ``await processor.start(job)`` is its result. Errors are raised by the
        handle's ``result()``.
        """
        return begin(self.options, required_job(job), plan)

    @without_frames
    def prepare(self, job: MapperJob) -> tuple[ChunkPlan, ChunkProcessor]:
        """Return a job's plan, checked, and a processor of single chunks in this process.

        To examine a single chunk: ``processor.process_chunk(plan.chunks[3])``. The run is entered
        in the target's ledger, so the chunk counts as loaded, and ``resume`` with the result's run
        loads the others. Chunks are read without a common snapshot.
        """
        given = named(resolved(job).evolve(consistent=False))
        kept = keep_snapshot(given.source, consistent=False)
        with in_users_text(given.job, given.source), kept as keeper:
            run = planned(with_params(given), keeper, self.retry_policy)
        if not run.enter(None):
            message = f"run_id {run.run_id!r} is in the ledger; use resume, or a new run_id"
            raise ConfigurationError(message, field="run_id")
        return run.plan, ChunkProcessor(run.prepared.task)

    @without_frames
    def resume(
        self,
        run_id: str,
        *,
        target_conn: Any,
        source_conn: Any = None,
        transformation_logic: Transformation | None = None,
        reject_limit: int | None = None,
        job: MapperJob | None = None,
        trust_ledger: bool = False,
    ) -> ParallelProcessingResult:
        """Finish a run that was killed, stopped or left chunks behind; only report a finished one.

        Parameters
        ----------
        run_id
            The run's name in its result, the log and the ledger.
        target_conn
            The target, which has the ledger.
        source_conn, transformation_logic
            Needed if the run's own were not stored: a connection with a password, a function that
            cannot be imported.
        reject_limit
            Another limit for the whole run, after it stopped at its own.
        job
            The job as it was begun: then no query and no function is taken from the ledger. None:
            they are, which is refused if others can write the ledger.
        trust_ledger
            True to take them from such a ledger nonetheless: then anybody with the right to write
            it decides what is read with your rights.

        Raises
        ------
        RunFailedError
            When chunks failed again, unless ``on_failure="return"``.
        RunNotFoundError
            When the ledger has no such run.
        ConfigurationError
            When a needed argument is missing, or belongs to another job.
        LedgerError
            When the ledger's record of the run cannot be used, or others could have written it.
        """
        recall = Recall(source_conn, transformation_logic, job, trust_ledger)
        found, stored = recall.of(run_id, target_conn)
        if reject_limit is not None:
            found = resolved(found.job.evolve(reject_limit=reject_limit))
        return Coordinator(self.options, found.job, Halt()).resume(stored)

    @without_frames
    def cancel(self, run_id: str, *, target_conn: Any, source_conn: Any = None) -> None:
        """Stop a run of this or another process at once; ``resume`` finishes it.

        The sessions that read and load its chunks are ended; once this returns, nothing of it can
        commit. Workers stay alive. A run that has ended does not change.

        Parameters
        ----------
        run_id, target_conn
            As for ``resume``.
        source_conn
            Needed to break off reading at once, if the run's own was not stored, or others can
            write the ledger.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        target = reference(target_conn, "target_conn")
        stored_runs.cancel(target, source_named(target, run_id, source_conn), run_id)

    @without_frames
    def discard(self, run_id: str, *, target_conn: Any) -> None:
        """Stop a run, drop the rows it has staged, and remove it from the ledger.

        If its query was read once, the files of its rows on this machine are removed, too. Rows
        that it has loaded stay in the target, and no record of that remains.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        stored_runs.discard(reference(target_conn, "target_conn"), run_id)
        remove_of(self.spool_parent, run_id)

    @without_frames
    def rejects(self, run_id: str, *, target_conn: Any) -> pd.DataFrame:
        """Return the rejected rows of a run.

        Returns
        -------
        pandas.DataFrame
            One row each, in the plan's order: ``chunk_id``, ``stage`` (``transform``, ``encode`` or
            ``load``), ``reason``, ``key`` and ``row``, both as mappings.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        """
        return stored_runs.rejects(reference(target_conn, "target_conn"), run_id)

    @without_frames
    def retry_rejects(
        self,
        run_id: str,
        *,
        target_conn: Any,
        source_conn: Any = None,
        transformation_logic: Transformation | None = None,
        job: MapperJob | None = None,
        trust_ledger: bool = False,
    ) -> RetryResult:
        """Try each rejected row of a run again, once.

        A row at which the function raised passes the function again, as it is now; so does a row
        that it marked, which is read again from the source by its key. A row that the conversion
        or the database refused is loaded as the function returned it. A row that is refused again
        stays rejected, with the new reason.

        Parameters
        ----------
        run_id, target_conn, source_conn, transformation_logic, job, trust_ledger
            As for ``resume``.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        ConfigurationError
            When the run has not ended, or a later one has overwritten its rows.
        """
        recall = Recall(source_conn, transformation_logic, job, trust_ledger)
        return retry(*recall.of(run_id, target_conn), self.retry_policy)

    @without_frames
    def reconcile(
        self,
        run_id: str,
        *,
        target_conn: Any,
        source_conn: Any = None,
        transformation_logic: Transformation | None = None,
        checksum: bool = False,
        repair: bool = False,
        job: MapperJob | None = None,
        trust_ledger: bool = False,
    ) -> Reconciliation:
        """Count a run's rows again, chunk by chunk: in source, ledger and target.

        The source is counted in the run's snapshot while that exists, else as it is now, so rows
        that were written since show as differences. In the target a chunk's rows are counted if
        its range of keys identifies them: without a function, by a key that is a number or a time.

        Parameters
        ----------
        run_id, target_conn, source_conn, transformation_logic, job, trust_ledger
            As for ``resume``.
        checksum
            Compare the contents too, in any order; for runs without a function.
        repair
            Load the chunks that differ again. Rows that are proved to be the run's are deleted
            first, and no others; if that cannot be proved, the repair is refused.

        Raises
        ------
        RunNotFoundError
            When the ledger has no such run.
        ConfigurationError
            When the run cannot be checked or repaired in this way.
        RunFailedError
            When a chunk whose rows were deleted could not be loaded again; ``resume`` does it.
        """
        recall = Recall(source_conn, transformation_logic, job, trust_ledger, counts=True)
        found, stored = recall.of(run_id, target_conn)
        counting = reconciler(found, stored)
        counting.require(checksum=checksum, repair=repair)
        if repair and not trust_ledger:
            require_trusted(counting.target, run_id, REPAIR_FIELDS, given=REPAIR_GIVEN)
        counted = counting.run(checksum=checksum)
        if not repair or not counted.differences:
            return counted
        counting.clear(counted.differences)
        Coordinator(self.options, found.job, Halt()).resume(stored).raise_for_status()
        mended = reconciler(found, stored).run(checksum=checksum)
        return replace(mended, repaired=tuple(check.chunk_id for check in counted.differences))

    def _process_sequential(
        self, task: ChunkTask, chunks: Sequence[Chunk]
    ) -> Generator[ChunkResult]:
        """Yield the result of each chunk, in order, by the function the workers call."""
        return LoopEngine().results(task, chunks)

    def _aggregate_results(
        self, run: Run, results: Sequence[ChunkResult], seconds: float, rows: int
    ) -> ParallelProcessingResult:
        """Return a run's result: from the ledger, which alone knows what is committed."""
        return aggregated(run, results, seconds, rows)
