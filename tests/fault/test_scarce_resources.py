"""A target without room, without time, or without a lock to give."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mapper_dask import ParallelProcessor
from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.events.run_events import RunEvent
from tests.database import Database, Databases
from tests.fault.gate import closed_gate
from tests.fault.moving import ROWS, assert_every_row_once, committed, job, stage
from tests.fault.watch import connected

RUN = "scarce"
WAITING_FOR_LOCK = """
SELECT pid FROM pg_stat_activity
WHERE application_name LIKE 'mapper_dask:%' AND wait_event_type = 'Lock'
""".replace("%", "%%")


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few megabytes."""

    path: Path

    def resize(self, megabytes: int) -> None:
        """Make it larger, with what it holds."""
        size = f"remount,size={megabytes}m"
        subprocess.run(["mount", "-o", size, str(self.path)], check=True)


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """A disk that the server can fill; asked for before the server, so that it outlives it."""
    with tempfile.TemporaryDirectory(prefix="mapper-dask-disk-") as path:
        size = "size=3m,uid=nobody,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", size, "mapper-dask-disk", path]
        try:
            # The server of a user who may mount runs as nobody: PostgreSQL refuses root.
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs the right to mount a file system of three megabytes")
        try:
            yield SmallDisk(Path(path))
        finally:
            subprocess.run(["umount", path], check=True)


@pytest.fixture
def crowded(small_disk: SmallDisk, private_server: EmbeddedPostgres) -> Databases:
    """Databases whose target table lies on the small disk."""
    databases = Databases(
        Database(private_server.create_database("source")),
        Database(private_server.create_database("target")),
    )
    stage(databases)
    databases.target.execute(f"CREATE TABLESPACE small LOCATION '{small_disk.path}'")
    databases.target.execute("ALTER TABLE d SET TABLESPACE small")
    return databases


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    small_disk: SmallDisk, crowded: Databases
) -> None:
    processor = ParallelProcessor(max_workers=2)
    result = processor.run(job(crowded.source.url, crowded.target.url, run_id=RUN))
    failed = [chunk for chunk in result.chunk_results if chunk.error]
    assert failed
    assert all("[53100]" in chunk.error and chunk.attempts == 1 for chunk in failed), failed
    rows, booked = committed(crowded)
    assert 0 < rows == booked == result.total_rows_successful < ROWS

    small_disk.resize(64)
    processor.resume(RUN, target_conn=crowded.target.url).raise_for_status()
    assert_every_row_once(crowded)


@pytest.mark.parametrize(
    ("lock_timeout", "until"),
    [
        (30.0, WAITING_FOR_LOCK),
        (0.2, "SELECT FROM mapper_dask_chunk WHERE attempts > 1 OR error IS NOT NULL"),
    ],
    ids=["waited for", "tried again"],
)
def test_a_target_that_somebody_else_has_locked_is_loaded_when_he_is_done(
    databases: Databases, lock_timeout: float, until: str
) -> None:
    stage(databases)
    seen: list[object] = []

    def lock_once(event: RunEvent) -> None:
        if event.done != 3:
            return
        somebody = connected(databases.target)
        with somebody.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE d IN ACCESS EXCLUSIVE MODE")
            while not seen:
                seen.extend(databases.target.fetch(until))
        somebody.close()

    processor = ParallelProcessor(max_workers=2, progress=lock_once, lock_timeout=lock_timeout)
    result = processor.run(job(databases.source.url, databases.target.url))
    assert seen
    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def test_a_statement_timeout_of_the_target_is_told_and_the_run_goes_on_without_it(
    databases: Databases,
) -> None:
    stage(databases)
    [(name,)] = databases.target.fetch("SELECT current_database()")
    databases.target.execute(f"ALTER DATABASE {name} SET statement_timeout = '500ms'")
    processor = ParallelProcessor(enable_parallel=False)
    with closed_gate(databases.target):
        result = processor.run(job(databases.source.url, databases.target.url, run_id=RUN))
    [failed] = [chunk for chunk in result.chunk_results if chunk.error]
    assert "statement timeout" in failed.error
    assert "[57014]" in failed.error
    assert failed.attempts == 1
    assert committed(databases) == (result.total_rows_successful, result.total_rows_successful)

    databases.target.execute(f"ALTER DATABASE {name} RESET statement_timeout")
    processor.resume(RUN, target_conn=databases.target.url).raise_for_status()
    assert_every_row_once(databases)
