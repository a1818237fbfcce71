"""Every error the library raises, in one tree.

::

    MapperError
    ├── ConfigurationError        bad input, refused before a row moves (also a ValueError)
    │   ├── UnknownOptionError    an argument of a name that nothing has (also a TypeError)
    │   ├── MainGuardError        a script starts worker processes without a __main__ guard
    │   ├── JobFileError          a job file is wrong; names file, line and column
    │   ├── PlanError             the query cannot be cut as asked
    │   ├── TargetError           the target table does not fit the rows
    │   │   └── RowsGoneError     the target does not hold what the ledger says was loaded
    │   ├── FingerprintError      the run_id belongs to another job
    │   └── LedgerError           what the ledger holds is not what it must be, or not trusted
    ├── DatabaseError             what a database answered, with its SQLSTATE and position
    │   ├── ConnectionFailedError the database cannot be reached
    │   └── SnapshotLostError     the exported snapshot is gone
    ├── ChunkError                one chunk failed; knows its run, chunk and bounds
    │   ├── TransformError        the user's function raised, or returned something else
    │   ├── SchemaDriftError      a chunk's columns differ from the plan's
    │   ├── EncodeError           a value does not fit its target column
    │   ├── TargetChangedError    the target is not what was planned any more
    │   ├── SourceChangedError    the source is not what was planned any more
    │   ├── SpoolError            the file that holds its rows is gone or damaged
    │   ├── RejectLimitError      more rows were refused than the run allows
    │   └── LoadCountError        the database counted other rows than were sent
    ├── PublishError              the rows are staged, and the target did not take them
    ├── RunStoppedError           the run was stopped; this chunk must not commit
    ├── RunNotFoundError          the ledger does not know the run_id
    ├── LedgerLostError           the ledger, or the run in it, is gone in mid-run
    └── RunFailedError            a run did not do all it was to do; carries its result

All of them pickle, because Dask sends them between processes: they hold their message and
keyword details only. ``transient`` says whether trying again can help; it is decided once, where
the driver's error is first seen.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

OF_THE_JOB = frozenset({"source_sql", "params", "newest_by", "primary_key", "write_disposition"})
"""Fields that make a job what it is: one in which they are changed is another, with its own run."""


class MapperError(Exception):
    """Base of every error of this library."""

    transient: bool = False
    """Whether the same work can succeed when tried again."""
    stops_run: bool = False
    """Whether what failed one chunk would fail the others too."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        """What else is known: ``run_id``, ``chunk_id``, ``bounds``, ``sqlstate``, ``position``."""
        self.transient = bool(details.get("transient", type(self).transient))
        self.stops_run = bool(details.get("stops_run", type(self).stops_run))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints of it: as ever, but for frames of this library."""
        from IPython import get_ipython

        own, trace = [], self.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] != "mapper_dask":
                own.append(trace)
            trace = trace.tb_next
        kept = None
        for one in reversed(own):
            kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
        told: list[str] = get_ipython().InteractiveTB.structured_traceback(type(self), self, kept)
        return told

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.details))


def _rebuild(kind: type[MapperError], message: str, details: dict[str, Any]) -> MapperError:
    return kind(message, **details)


class ConfigurationError(MapperError, ValueError):
    """Bad input, refused before a row moves; names the field and the remedy."""


class UnknownOptionError(ConfigurationError, TypeError):
    """A keyword argument of a name that nothing has; names the one that was meant."""


class MainGuardError(ConfigurationError):
    """A script would start worker processes without an ``if __name__ == "__main__":`` guard."""


class JobFileError(ConfigurationError):
    """A job file says what cannot be; ``details`` hold ``file``, ``line`` and ``column``."""


class PlanError(ConfigurationError):
    """The query cannot be cut into chunks as asked."""


class TargetError(ConfigurationError):
    """The target table is missing or does not fit the rows."""


class RowsGoneError(TargetError):
    """The target does not hold (any more) what the ledger says a run has loaded into it."""


class DatabaseError(MapperError):
    """What the database answered; ``details`` hold ``sqlstate`` and ``position``."""

    @property
    def sqlstate(self) -> str | None:
        """The five-character SQLSTATE, None when the link broke before an answer."""
        return self.details.get("sqlstate")


class ConnectionFailedError(DatabaseError):
    """The database could not be reached or refused the login."""


class SnapshotLostError(DatabaseError):
    """The exported snapshot no longer exists on the source."""


class ChunkError(MapperError):
    """One chunk failed; ``details`` hold ``chunk_id`` and ``bounds``."""


class TransformError(ChunkError):
    """The user's function raised or returned no DataFrame; the message ends in its traceback."""


class SchemaDriftError(ChunkError):
    """The function returned other columns than the plan saw."""


class EncodeError(ChunkError):
    """A value does not fit the target column's type."""


class TargetChangedError(ChunkError):
    """The target was altered under the run; nothing of the chunk is committed."""

    stops_run = True


class SourceChangedError(ChunkError):
    """What the query reads was altered under the run; nothing of the chunk is committed."""

    stops_run = True


class SpoolError(ChunkError):
    """The file that holds a chunk's rows is not there, or not as it was written."""


class RejectLimitError(ChunkError):
    """More rows were refused than ``reject_limit`` allows; the chunk was rolled back."""

    stops_run = True


class LoadCountError(ChunkError):
    """The target counted other rows than were sent; the transaction was rolled back."""


class PublishError(MapperError):
    """The staged rows did not fit the target as a whole; it is as it was."""


class RunStoppedError(MapperError):
    """The run was stopped while the chunk was at work; nothing of the chunk is committed."""


class RunNotFoundError(MapperError, LookupError):
    """The target's ledger has no such run."""


class FingerprintError(ConfigurationError):
    """The run_id belongs to a job that reads or writes something else."""


class LedgerError(ConfigurationError):
    """What the ledger holds of a run cannot be used as it stands; ``details`` hold the field."""


class LedgerLostError(MapperError):
    """The ledger, or the run in it, was dropped or restored while the run went on."""

    stops_run = True


class RunFailedError(MapperError):
    """A run, or a flow, ended with failed or missing chunks; ``result`` holds all of its counts.

    Its ``__cause__`` is what the user's function raised, where that failed the first chunk.
    """

    @property
    def result(self) -> Any:
        """The ``ParallelProcessingResult``, or a flow's ``FlowResult``."""
        return self.details.get("result")
