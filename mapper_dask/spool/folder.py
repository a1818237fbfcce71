"""Folders that hold the rows of a query that is read once: one for each reading, its owner's alone.

Its path follows from the names of the run and the reading; of these only the reading's comes from
the ledger, and is checked. A manifest, written last, marks the rows as complete. A coordinator that
uses a folder holds a lock in it, which ends with the process: so a folder without lock and manifest
was left by a killed one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from mapper_dask.errors import ConfigurationError, SpoolError
from mapper_dask.naming import fingerprint
from mapper_dask.parallel_models import Chunk
from mapper_dask.spool.files import (
    MANIFEST,
    NO_LINK,
    SETTING,
    fault_of,
    mapped,
    sees,
    why_not_own,
)

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none: there leftovers are found by their age
    fcntl = None  # type: ignore[assignment]

LOCKS: bool = fcntl is not None
"""Whether a process can hold a folder."""

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long rows are kept for a resumed run, before another run removes them."""

PREFIX = "mapper-dask-spool-"
"""The prefix of the folders' names."""

LOCK = "lock"
"""The file in it that the processes which use it lock."""

_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{16}}-[0-9a-f]{{32}}")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
"""Flags with which a file is made: fail if it exists, even as a link."""


def parent_of(setting: str | None) -> Path:
    """Return the parent folder of all readings."""
    return Path(setting or tempfile.gettempdir())


@dataclass(slots=True)
class SpoolFolder:
    """The folder of one reading, locked by this process until it is closed."""

    path: Path
    reading: str
    _lock: IO[bytes] | None = field(default=None, repr=False)

    @classmethod
    def made(cls, parent: Path, run_id: str, reading: str) -> SpoolFolder:
        """Make a folder and lock it.

        Raises
        ------
        ConfigurationError
            When it cannot be made there.
        """
        folder = cls(_path(parent, run_id, reading), reading)
        try:
            folder.path.mkdir(mode=0o700)
            folder._hold_new()
        except OSError as error:
            message = f"{SETTING}: nothing can be written in {parent} ({error.strerror or error})"
            raise ConfigurationError(message, field=SETTING) from None
        return folder

    @classmethod
    def found(cls, parent: Path, run_id: str, chunks: Sequence[Chunk]) -> SpoolFolder | None:
        """Return a run's folder, locked, if it holds the rows of all these chunks.

        None if anything is missing, damaged, or not this user's alone.
        """
        reading = next((c.spooled.reading for c in chunks if c.spooled is not None), "")
        folder = cls(_path(parent, run_id, reading), reading)
        try:
            own = not why_not_own(folder.path.lstat(), folder=True)
            if not own or not sees(str(folder.path), reading):
                return None
            if any(fault_of(mapped(folder.path, chunk), chunk.spooled) for chunk in chunks):
                return None
            folder._hold()
        except (OSError, ValueError, AttributeError, SpoolError):
            return None
        return folder

    def create(self, name: str) -> IO[bytes]:
        """Return a new file in it, open for writing."""
        return os.fdopen(os.open(self.path / name, _NEW, 0o600), "wb")

    def complete(self, facts: dict[str, Any]) -> None:
        """Write the manifest, which marks all rows as complete; atomic and durable."""
        part = f"{MANIFEST}.part"
        with self.create(part) as file:
            file.write(json.dumps({"version": 1, "reading": self.reading, **facts}).encode())
            file.flush()
            os.fsync(file.fileno())
        (self.path / part).rename(self.path / MANIFEST)

    def _hold_new(self) -> None:
        try:
            self._hold()
        except OSError:  # the disk had space for the folder only
            self.remove()
            raise

    def _hold(self) -> None:
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
        self._lock = os.fdopen(lock, "r+b")
        if LOCKS:
            with contextlib.suppress(OSError):  # another coordinator may use the folder, too
                fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Release the lock; the folder stays for a process that resumes the run."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Remove the folder with all rows."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_of(parent: Path, run_id: str) -> None:
    """Remove all readings of a run, even those that another process uses."""
    remove(_of_run(parent, run_id))


def remove_let_go(parent: Path, run_id: str) -> None:
    """Remove all readings of a run, except those that a process still uses."""
    remove(path for path in _of_run(parent, run_id) if not _is_held(path, unknown=False))


def unused(parent: Path, run_ids: Iterable[str] = (), seconds: float = KEPT_SECONDS) -> list[Path]:
    """Return the folders of this user that can be removed.

    Those of the given runs, those whose coordinator died before all rows were read, and those
    unused for so many seconds.
    """
    theirs = [path for run_id in run_ids for path in _of_run(parent, run_id)]
    left = [path for path in _folders(parent, f"{PREFIX}*") if _is_left_over(path, seconds)]
    return list(dict.fromkeys([*theirs, *left]))


def remove(folders: Iterable[Path]) -> None:
    """Remove folders with their rows."""
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)


def _of_run(parent: Path, run_id: str) -> list[Path]:
    return list(_folders(parent, f"{PREFIX}{fingerprint(run_id)}-*"))


def _is_left_over(path: Path, seconds: float) -> bool:
    try:
        old = time.time() - path.stat().st_mtime > seconds
        complete = (path / MANIFEST).exists()
        return (old or not complete) and not _is_held(path, unknown=not old)
    except OSError:
        return False


def _is_held(path: Path, *, unknown: bool) -> bool:
    """Return whether a process uses a folder; ``unknown`` where that cannot be found out."""
    if not LOCKS:
        return unknown
    try:
        with (path / LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # another process may be creating it
        return unknown
    except OSError:
        return True
    return False


def _folders(parent: Path, pattern: str) -> Iterator[Path]:
    """Yield this user's own folders of readings."""
    for path in sorted(parent.glob(pattern)):
        with contextlib.suppress(OSError):
            if _NAME.fullmatch(path.name) and not why_not_own(path.lstat(), folder=True):
                yield path


def _path(parent: Path, run_id: str, reading: str) -> Path:
    return parent / f"{PREFIX}{fingerprint(run_id)}-{reading}"
