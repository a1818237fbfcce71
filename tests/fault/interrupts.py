"""Ctrl-C at random moments: it stops, writes how far it came, and is resumed exactly.

``python -m tests.fault.interrupts --rounds 50`` presses Ctrl-C at a moment that the seed chooses,
in the command line with one job or a flow, a script and a notebook's kernel by turns; then it
resumes, and counts the rows. ``--check`` also asks that each had stopped within a second, once its
workers were there: for a machine that has nothing else to do. ``test_random_interrupts`` does a few
rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from mapper_dask.embedded import embedded_postgres
from tests.database import Databases, fresh_databases
from tests.fault.joining import guarded
from tests.fault.terminal import CTRL_C, HANGS, terminal
from tests.integration.cli.workshop import JOB_FILE, Workshop, opened

ROWS = 4_000
LONGEST = 8.0
"""Seconds after its begin within which a program is interrupted."""

AT_WORK = 1.5
"""Seconds from when its workers are there, within which every second round is interrupted."""

SOON = 1.0
"""Seconds within which it stops."""

SLOW = """
import time

def priced(frame, factor=2):
    time.sleep(0.1)
    return frame.assign(price=frame["price"] * factor)
"""

FLOW = (
    JOB_FILE
    + """
  names:
    source: {connection: source, sql: "SELECT id, name FROM goods ORDER BY id"}
    target: {connection: target, table: names}
"""
)

IMPORTS = """
from mapper_dask import ParallelProcessor
from shop_functions import priced
_ = ParallelProcessor()
"""

CELL = """
ParallelProcessor(max_workers=2, progress=False).process_mapper_job(
    "env:SOURCE", "SELECT * FROM goods ORDER BY id", priced, "env:TARGET", None, "goods",
    chunk_size=100, run_id="r").raise_for_status()
"""

SCRIPT = """
from mapper_dask import ParallelProcessor
from shop_functions import priced

if __name__ == "__main__":
    ParallelProcessor()
    print("begun", flush=True)
    ParallelProcessor(max_workers=2, progress=False).process_mapper_job(
        "env:SOURCE", "SELECT * FROM goods ORDER BY id", priced, "env:TARGET", None, "goods",
        chunk_size=100, run_id="r").raise_for_status()
"""


@dataclass(frozen=True)
class Moment:
    """When Ctrl-C is pressed."""

    seconds: float
    """Since the program's begin, or since its workers were there."""
    begun: bool
    """Whether it is the latter."""

    def wait(self, shop: Workshop, ended: Callable[[], bool]) -> bool:
        """Wait for it, unless the program ends before; return whether chunks are at work then."""
        while self.begun and not has_begun(shop):
            if ended():
                return False
        time.sleep(self.seconds)
        return has_begun(shop)


@dataclass(frozen=True)
class Stopped:
    """What came of one round."""

    way: str
    moment: Moment
    """Of Ctrl-C."""
    seconds: float
    """From Ctrl-C to the program's end."""
    code: int
    lines: int
    """Of its output, from where it says that it was interrupted."""
    text: str
    states: tuple[str, ...]
    """Of runs and flows, in the ledger."""
    begun: bool
    """Whether its workers were there."""
    left: tuple[int, ...]
    """Its processes that there still are."""
    rows: int
    distinct: int
    booked: int
    wrong: int
    """Rows that are not what the function makes of the source's."""

    @property
    def exact(self) -> bool:
        """Whether it stopped, wrote its state, and was resumed to every row once."""
        counts = (self.rows, self.distinct, self.booked, self.wrong) == (ROWS, ROWS, ROWS, 0)
        return counts and self.written and not self.left and self.lines < 20

    @property
    def written(self) -> bool:
        """Whether the ledger says how it ended; nothing, where nothing had begun."""
        return set(self.states) <= {"CANCELLED", "SUCCEEDED"} and (
            bool(self.states) or not self.begun
        )

    def __str__(self) -> str:
        how = "exact" if self.exact else "NOT EXACT"
        where = "with" if self.begun else "before"
        since = "of work" if self.moment.begun else "       "
        return (
            f"{self.way:7} at {self.moment.seconds:4.1f} s {since}: {self.seconds:5.2f} s {where} "
            "workers, "
            f"exit {self.code}, {self.lines} lines, {' '.join(self.states) or 'not begun'}: {how}"
        )


def moments(number: int, seed: int) -> Iterator[Moment]:
    """Yield so many: as many of each way somewhere, and when its workers are there."""
    chance = Random(seed)
    for turn in range(number):
        begun = turn // len(WAYS) % 2 == 1
        yield Moment(chance.uniform(0.0, AT_WORK) if begun else chance.uniform(0.3, LONGEST), begun)


def staged(folder: Path, databases: Databases) -> Workshop:
    """Return a workshop with what all ways need."""
    shop = opened(folder, databases, ROWS)
    shop.write("shop.yaml", FLOW)
    shop.write("shop_functions.py", SLOW)
    shop.write("script.py", SCRIPT)
    databases.target.execute("CREATE TABLE names (id int, name text)")
    return shop


def pressed(
    shop: Workshop, moment: Moment, command: list[str]
) -> tuple[float, int, str, bool, Any]:
    """Run a program in a terminal and press Ctrl-C at a moment."""
    with terminal(command, shop.folder, shop.environment) as running:
        if command[-1] == "script.py":
            running.wait_for(lambda: "begun" in running.text)
        begun = moment.wait(shop, running.ended)
        code = running.press(CTRL_C) if not running.ended() else running.outcome(time.monotonic())
        with contextlib.suppress(AssertionError):
            running.wait_until_alone()
        return running.seconds, code, running.text, begun, tuple(running.workers())


def interrupted_cell(shop: Workshop, moment: Moment) -> tuple[float, int, str, bool, Any]:
    """Run a notebook's cell in a kernel of its own, and interrupt it as the button does."""
    from jupyter_client.manager import start_new_kernel

    said: list[str] = []
    manager, client = start_new_kernel(
        cwd=str(shop.folder),
        env=shop.environment,
        preexec_fn=heeding_interrupts,
        stderr=subprocess.DEVNULL,
    )
    try:
        client.execute_interactive(IMPORTS)
        request = client.execute(CELL)
        begun = moment.wait(shop, guarded())
        began = time.monotonic()
        manager.interrupt_kernel()
        while True:
            message = client.get_iopub_msg(timeout=HANGS)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            said += [*content.get("traceback", []), content.get("text", "")]
            if content.get("execution_state") == "idle":
                break
        seconds = time.monotonic() - began
        return seconds, 0, "\n".join(filter(None, said)), begun, ()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def heeding_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def has_begun(shop: Workshop) -> bool:
    """Return whether chunks are at work, so that the workers are there."""
    there = shop.target.fetch("SELECT to_regclass('mapper_dask_chunk') IS NOT NULL")
    sql = "SELECT count(*) FROM mapper_dask_chunk WHERE state <> 'UNASSIGNED'"
    return there == [(True,)] and shop.target.fetch(sql) != [(0,)]


def states(shop: Workshop) -> tuple[str, ...]:
    """Return where the runs and flows stand that the ledger knows."""
    found: set[str] = set()
    for table in ("run", "flow"):
        name = f"mapper_dask_{table}"
        if shop.target.fetch(f"SELECT to_regclass('{name}') IS NOT NULL") == [(True,)]:
            found |= {state for (state,) in shop.target.fetch(f"SELECT state FROM {name}")}
    return tuple(sorted(found))


def by_cli(*jobs: str) -> Callable[[Workshop, Moment], Any]:
    arguments = ("run", "shop.yaml", "--run-id", "r", *jobs)
    return lambda shop, moment: pressed(shop, moment, shop.command(*arguments))


WAYS: dict[str, Callable[[Workshop, Moment], Any]] = {
    "command": by_cli("--job", "goods"),
    "flow": by_cli(),
    "script": lambda shop, moment: pressed(shop, moment, [sys.executable, "script.py"]),
    "kernel": interrupted_cell,
}

FACTORS = {"command": 3, "flow": 3, "script": 2, "kernel": 2}
"""By what each has its prices multiplied."""

WRONG = """
SELECT count(*) FROM goods WHERE (name, price, changed) IS DISTINCT FROM
('good ' || id, id * 1.25 * %s, timestamp '2024-01-01' + id * interval '1 min')
"""


def played(shop: Workshop, way: str, moment: Moment) -> Stopped:
    """Interrupt, look, resume, and count."""
    seconds, code, text, begun, left = WAYS[way](shop, moment)
    found = states(shop)
    finish(shop, way)
    [(rows, distinct)] = shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM goods")
    [(booked,)] = shop.target.fetch(
        "SELECT coalesce(sum(rows_loaded), 0)::int FROM mapper_dask_chunk "
        "WHERE run_id IN ('r', 'r.goods')"
    )
    [(wrong,)] = shop.target.fetch(WRONG, FACTORS[way])
    lines = len(text[text.find("interrupted") :].splitlines())
    return Stopped(
        way, moment, seconds, code, lines, text, found, begun, left, rows, distinct, booked, wrong
    )  # fmt: skip


def finish(shop: Workshop, way: str) -> None:
    """Go on with what was stopped, or begin it where nothing was."""
    if way in {"script", "kernel"}:
        os.environ.update({key: shop.environment[key] for key in ("SOURCE", "TARGET")})
        from mapper_dask import ParallelProcessor

        sys.path.insert(0, str(shop.folder))
        try:
            from shop_functions import priced  # type: ignore[import-not-found]

            ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
                "env:SOURCE", "SELECT * FROM goods ORDER BY id", priced, "env:TARGET", None,
                "goods", chunk_size=100, run_id="r",
            ).raise_for_status()  # fmt: skip
        finally:
            sys.path.remove(str(shop.folder))
            sys.modules.pop("shop_functions", None)
        return
    jobs = ("--job", "goods") if way == "command" else ()
    answer = shop.run("run", "shop.yaml", "--run-id", "r", *jobs, "--sequential", "-q")
    assert answer.code == 0, answer.err


def rounds(server: Any, number: int, seed: int) -> Iterator[Stopped]:
    """Yield what came of so many rounds."""
    ways = list(WAYS)
    for turn, moment in enumerate(moments(number, seed)):
        with fresh_databases(server) as databases, tempfile.TemporaryDirectory() as folder:
            yield played(staged(Path(folder), databases), ways[turn % len(ways)], moment)


def main() -> int:
    """Interrupt, compare, and print what came of it; return 1 when anything is not exact."""
    parser = argparse.ArgumentParser(prog="interrupts", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="ask for one second, too")
    asked = parser.parse_args()
    found = []
    with embedded_postgres() as server:
        for stopped in rounds(server, asked.rounds, asked.seed):
            sys.stdout.write(f"{stopped}\n")
            sys.stdout.flush()
            if not stopped.exact:
                sys.stdout.write(stopped.text[-2000:] + "\n")
            found.append(stopped)
    sys.stdout.write(table(found))
    soon = all(one.seconds <= SOON for one in found if one.begun)
    return 0 if all(one.exact for one in found) and (soon or not asked.check) else 1


def table(found: Sequence[Stopped]) -> str:
    """Return by kind how many were exact, and how long they took to stop."""
    lines = ["", f"{'':7} {'exact':>9}   stopped, with workers   before there were any"]
    for way in (*WAYS, "all"):
        ones = [one for one in found if way in (one.way, "all")]
        exact = f"{sum(one.exact for one in ones)} of {len(ones)}"
        with_, before = (
            times([one.seconds for one in ones if one.begun is begun]) for begun in (True, False)
        )
        lines.append(f"{way:7} {exact:>9}   {with_:21}   {before}")
    lines.append(f"seconds: median, longest; {SOON:g} s is what is asked for, with workers")
    return "\n".join(lines) + "\n"


def times(seconds: Sequence[float]) -> str:
    """Return the median and the longest of some."""
    if not seconds:
        return "none"
    return f"{median(seconds):.2f}, {max(seconds):.2f} ({len(seconds)})"


if __name__ == "__main__":
    sys.exit(main())
