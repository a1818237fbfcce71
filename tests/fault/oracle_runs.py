"""Runs into Oracle that the fault tests break, and how they tell that they came out right.

As a program it is a coordinator of one, which may be told to die while it publishes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.dialects.oracle.target import OracleTarget
from mapper_dask.ledger.runs import RunLedger
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Database, Databases
from tests.fault import moving
from tests.fault.freezing import freezing
from tests.fault.moving import EXPECTED, SETUP, Verdict, shout
from tests.fault.sabotage import doomed

ROOT = Path(__file__).parents[2]
FIRST, LAST = 24_001, 36_000
ROWS = LAST - FIRST + 1
CHUNK_SIZE = 1_000

FUNCTIONS = {function.__name__: function for function in (shout, doomed, freezing)}
DEATHS = ("before", "unsaid", "undropped", "after")
"""Moments in which a coordinator dies, by what it has done: nothing; the rows moved, not committed;
committed, the staging table not dropped; all of it, but told nobody."""

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ %s AND wait_event_type = 'Lock'
"""
AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ %s AND state LIKE 'idle in tr%%'
"""


@dataclass(frozen=True)
class Ground:
    """A PostgreSQL source, an Oracle target, and what is behind the latter."""

    databases: Databases
    behind: Database
    """The PostgreSQL that runs the stand-in's statements."""
    source: Side
    target: Side

    def job(self, run_id: str, function: object = shout, **options: Any) -> MapperJob:
        """Return the job that moves the rows."""
        chosen = {"key_column": "id", "chunk_size": CHUNK_SIZE, **options}
        urls = (database.url for database in self.databases)
        return moving.job(*urls, function, run_id=run_id, **chosen)

    def verdict(self, run_id: str) -> Verdict:
        """Compare source, target and ledger."""
        moved = self.target.rows("d", ("k", "id", "v", "t"))
        expected = Counter(self.source.query(EXPECTED))
        return Verdict(
            (expected - moved).total(), (moved - expected).total(), self.committed(run_id)[1]
        )

    def committed(self, run_id: str) -> tuple[int, int]:
        """Return the rows in the target, and those the ledger says are loaded."""
        [found] = self.target.query(
            "SELECT (SELECT COUNT(*) FROM d), NVL(SUM(rows_loaded), 0) FROM mapper_dask_chunk "
            f"WHERE run_id = '{run_id}'"
        )
        return int(found[0]), int(found[1])

    def assert_every_row_once(self, run_id: str) -> None:
        """No row lost, none doubled, all accounted for; nothing staged is left."""
        assert self.verdict(run_id) == Verdict(lost=0, doubled=0, booked=ROWS)
        assert self.state(run_id) == "SUCCEEDED"
        assert not self.staged(run_id)

    def state(self, run_id: str) -> str:
        """Return where a run stands."""
        [(state,)] = self.target.query(
            f"SELECT state FROM mapper_dask_run WHERE run_id = '{run_id}'"
        )
        return str(state)

    def staged(self, run_id: str) -> bool:
        """Return whether a run's staging table stands."""
        return self.target.query(
            "SELECT COUNT(*) FROM user_tables WHERE table_name = (SELECT UPPER(staging) FROM "
            f"mapper_dask_run WHERE run_id = '{run_id}')"
        ) != [(0,)]

    def waiting(self, run_id: str) -> int:
        """Return how many of a run's chunk sessions wait for a lock."""
        [(number,)] = self.behind.fetch(WAITING, rf"\|mapper_dask:{run_id}:[0-9]+$")
        return int(number)

    def open_transactions(self, run_id: str) -> int:
        """Return how many of a run's chunk sessions hold a transaction open, and do nothing."""
        [(number,)] = self.behind.fetch(AT_WORK, rf"\|mapper_dask:{run_id}:[0-9]+$")
        return int(number)

    @contextmanager
    def held(self, *ids: int) -> Iterator[None]:
        """Hold rows of some ids, uncommitted, before a unique key: who inserts them waits."""
        engine = sa.create_engine(self.target.url, poolclass=sa.NullPool)
        holder = engine.raw_connection()
        try:
            with holder.cursor() as cursor:
                for each in ids:
                    cursor.execute(f"INSERT INTO d (id) VALUES ({each})")
            yield
        finally:
            holder.rollback()
            holder.close()


@contextmanager
def ground(databases: Databases, oracle: str, behind: str) -> Iterator[Ground]:
    """Lend source rows and an empty target."""
    setup = SETUP.replace(f"generate_series(1, {moving.ROWS})", f"generate_series({FIRST}, {LAST})")
    databases.source.execute(setup)
    databases.source.execute("CREATE INDEX ON s (id)")
    databases.source.execute("ANALYZE s")
    target = sides.oracle(oracle)
    target.execute("CREATE TABLE d (k NUMBER(10), id NUMBER(10), v NUMBER, t VARCHAR2(60 CHAR))")
    both = Databases(databases.source, Database(oracle))
    made = Ground(both, Database(behind), sides.postgresql(databases.source), target)
    try:
        yield made
    finally:
        # A worker that outlived its coordinator for a moment may hold the table still.
        made.behind.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s", "%|mapper_dask:%",
        )  # fmt: skip
        target.execute("DROP TABLE d PURGE")


@dataclass(frozen=True)
class Told:
    """What a coordinator is told."""

    source: str
    target: str
    run_id: str
    function: str = "shout"
    workers: int = 2
    options: dict[str, Any] = field(default_factory=dict)
    death: str = ""

    def start(self, **popen: Any) -> subprocess.Popen[str]:
        """Start one; it writes a line for each chunk."""
        command = [sys.executable, "-m", __name__, json.dumps(asdict(self))]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **popen)


def told(here: Ground, run_id: str, **values: Any) -> Told:
    """Return what a coordinator on a ground is told."""
    return Told(here.databases.source.url, here.databases.target.url, run_id, **values)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doom(death: str) -> None:
    """Let this process die at a moment of its publishing."""
    publish, move, drop = RunLedger.publish, OracleTarget.publish, OracleTarget.drop_table

    def published(self: RunLedger, publication: Any, *counts: int) -> Any:
        if death == "before":
            die()
        state = publish(self, publication, *counts)
        if death == "after":
            die()
        return state

    def moved(self: OracleTarget, publication: Any, *counts: int) -> int:
        number = move(self, publication, *counts)
        if death == "unsaid":
            die()
        return number

    def dropped(self: OracleTarget, quoted: str) -> None:
        if death == "undropped":
            self.commit()  # as the DDL does, before it drops
            die()
        drop(self, quoted)

    RunLedger.publish = published  # type: ignore[method-assign]
    OracleTarget.publish = moved  # type: ignore[method-assign]
    OracleTarget.drop_table = dropped  # type: ignore[method-assign]


def main(text: str) -> None:
    what = Told(**json.loads(text))
    if what.death:
        doom(what.death)
    chosen = {"key_column": "id", "chunk_size": CHUNK_SIZE, **what.options}
    function = FUNCTIONS[what.function]
    work = moving.job(what.source, what.target, function, run_id=what.run_id, **chosen)

    def tell(event: Any) -> None:
        sys.stdout.write(f"{event.done}\n")
        sys.stdout.flush()

    many = what.workers > 1
    processor = ParallelProcessor(max_workers=what.workers, enable_parallel=many, progress=tell)
    processor.run(work).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1])
