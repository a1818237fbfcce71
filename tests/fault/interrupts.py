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
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from mapper_dask.embedded import embedded_postgres
from tests.database import Databases, fresh_databases
from tests.fault.terminal import CTRL_C, HANGS, terminal
from tests.integration.cli.workshop import JOB_FILE, Workshop, opened

ROWS = 4_000
LONGEST = 8.0
"""Seconds after its begin within which a program is interrupted."""

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
ParallelProcessor()
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
class Stopped:
    """What came of one round."""

    way: str
    after: float
    """Seconds from the program's begin to Ctrl-C."""
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

    @property
    def exact(self) -> bool:
        """Whether it stopped, wrote its state, and was resumed to every row once."""
        counts = (self.rows, self.distinct, self.booked) == (ROWS, ROWS, ROWS)
        return counts and not self.left and "RUNNING" not in self.states and self.lines < 20

    def __str__(self) -> str:
        how = "exact" if self.exact else "NOT EXACT"
        where = "with" if self.begun else "before"
        return (
            f"{self.way:7} at {self.after:4.1f} s: {self.seconds:5.2f} s {where} workers, "
            f"exit {self.code}, {self.lines} lines, {' '.join(self.states) or 'not begun'}: {how}"
        )


def staged(folder: Path, databases: Databases) -> Workshop:
    """Return a workshop with what all ways need."""
    shop = opened(folder, databases, ROWS)
    shop.write("shop.yaml", FLOW)
    shop.write("shop_functions.py", SLOW)
    shop.write("script.py", SCRIPT)
    databases.target.execute("CREATE TABLE names (id int, name text)")
    return shop


def pressed(shop: Workshop, after: float, command: list[str]) -> tuple[float, int, str, bool, Any]:
    """Run a program in a terminal and press Ctrl-C at a moment."""
    with terminal(command, shop.folder, shop.environment) as running:
        if command[-1] == "script.py":
            running.wait_for(lambda: "begun" in running.text)
        time.sleep(after)
        begun = has_begun(shop)
        code = running.press(CTRL_C) if not running.ended() else running.outcome(time.monotonic())
        with contextlib.suppress(AssertionError):
            running.wait_until_alone()
        return running.seconds, code, running.text, begun, tuple(running.workers())


def interrupted_cell(shop: Workshop, after: float) -> tuple[float, int, str, bool, Any]:
    """Run a notebook's cell in a kernel of its own, and interrupt it as the button does."""
    from jupyter_client.manager import start_new_kernel

    said: list[str] = []
    manager, client = start_new_kernel(
        cwd=str(shop.folder), env=shop.environment, preexec_fn=heeding_interrupts
    )
    try:
        client.execute_interactive(IMPORTS)
        request = client.execute(CELL)
        time.sleep(after)
        begun = has_begun(shop)
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


def by_cli(*jobs: str) -> Callable[[Workshop, float], Any]:
    arguments = ("run", "shop.yaml", "--run-id", "r", *jobs)
    return lambda shop, after: pressed(shop, after, shop.command(*arguments))


WAYS: dict[str, Callable[[Workshop, float], Any]] = {
    "command": by_cli("--job", "goods"),
    "flow": by_cli(),
    "script": lambda shop, after: pressed(shop, after, [sys.executable, "script.py"]),
    "kernel": interrupted_cell,
}


def played(shop: Workshop, way: str, after: float) -> Stopped:
    """Interrupt, look, resume, and count."""
    seconds, code, text, begun, left = WAYS[way](shop, after)
    found = states(shop)
    finish(shop, way)
    [(rows, distinct)] = shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM goods")
    [(booked,)] = shop.target.fetch(
        "SELECT coalesce(sum(rows_loaded), 0)::int FROM mapper_dask_chunk "
        "WHERE run_id IN ('r', 'r.goods')"
    )
    lines = len(text[text.find("interrupted") :].splitlines())
    return Stopped(
        way, after, seconds, code, lines, text, found, begun, left, rows, distinct, booked
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
    chance = Random(seed)
    ways = list(WAYS)
    for turn in range(number):
        after = chance.uniform(0.3, LONGEST)
        with fresh_databases(server) as databases, tempfile.TemporaryDirectory() as folder:
            yield played(staged(Path(folder), databases), ways[turn % len(ways)], after)


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
    took = sorted(one.seconds for one in found if one.begun) or [0.0]
    exact = sum(one.exact for one in found)
    sys.stdout.write(
        f"{exact} of {len(found)} exact; with workers they stopped in {took[len(took) // 2]:.2f} s "
        f"(median), {took[-1]:.2f} s (longest)\n"
    )
    return 0 if exact == len(found) and not (asked.check and took[-1] > SOON) else 1


if __name__ == "__main__":
    sys.exit(main())
