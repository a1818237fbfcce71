"""Ctrl-C in a terminal: it stops, says how far it came, and what resumes it finishes exactly."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database import Database, Databases
from tests.fault.gate import MAKE, closed_gate
from tests.fault.interrupts import FLOW
from tests.fault.terminal import CTRL_C, Terminal, terminal
from tests.fault.watch import connected
from tests.integration.cli.workshop import Workshop, opened

ROWS = 1_000
NOTHING = "nothing was moved, nothing is to be resumed"

SCRIPT = """
import os
from mapper_dask import ParallelProcessor
from shop_functions import priced

if __name__ == "__main__":
    ParallelProcessor(max_workers=2, progress=True).process_mapper_job(
        "env:SOURCE", "SELECT * FROM goods ORDER BY id", priced, "env:TARGET", None, "goods",
        chunk_size=100, run_id="r")
"""

RUN_GOODS = ("run", "shop.yaml", "--job", "goods", "--run-id", "r")

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {who}"


@pytest.fixture
def shop(tmp_path: Path, databases: Databases) -> Workshop:
    made = opened(tmp_path, databases, ROWS)
    made.write("shop.yaml", FLOW)
    made.write("script.py", SCRIPT)
    databases.target.execute("CREATE TABLE names (id int, name text)")
    return made


@contextmanager
def held(database: Database, statement: str) -> Iterator[None]:
    """Hold a lock in the way of others."""
    holder = connected(database)
    try:
        with holder.cursor() as cursor:
            cursor.execute(f"BEGIN; {statement}")
        yield
    finally:
        holder.close()


def waiting(database: Database, who: str = "true") -> Callable[[], bool]:
    """Return what tells whether a session of ours waits for a lock."""
    who = f"datname = current_database() AND {who}"
    return lambda: database.fetch(BLOCKED.format(who=who)) != [(0,)]


@contextmanager
def cli(shop: Workshop, *arguments: object) -> Iterator[Terminal]:
    with terminal(shop.command(*arguments), shop.folder, shop.environment) as running:
        yield running


def told(running: Terminal) -> str:
    """Return the line that tells how far it came, after looking at all that was shown."""
    assert "Traceback" not in running.text, running.text
    lines = [line for line in running.text.splitlines() if "interrupted" in line]
    assert len(lines) == 1, running.text
    return lines[0][lines[0].index("interrupted") :]


def assert_resumed(shop: Workshop, line: str) -> None:
    """Type the command that the line ends with; every row is there once then."""
    command = shlex.split(line.rpartition("resume it: ")[2])
    assert command[:2] == ["mapper-dask", "resume"], line
    answer = shop.run(*command[1:], "--sequential", "-q")
    assert answer.code == 0, answer.err
    assert_all_there(shop)


def assert_all_there(shop: Workshop) -> None:
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM goods") == [(ROWS, ROWS)]
    [(booked,)] = shop.target.fetch(
        "SELECT sum(rows_loaded)::int FROM mapper_dask_chunk WHERE run_id IN ('r', 'r.goods')"
    )
    assert booked == ROWS


def states(shop: Workshop) -> set[str]:
    """Return where the runs and flows stand that the ledger knows."""
    found = set()
    for table in ("run", "flow"):
        name = f"mapper_dask_{table}"
        if shop.target.fetch(f"SELECT to_regclass('{name}') IS NOT NULL") == [(True,)]:
            found |= {state for (state,) in shop.target.fetch(f"SELECT state FROM {name}")}
    return found


@pytest.mark.parametrize("times", [1, 3])
def test_while_chunks_are_loaded(shop: Workshop, times: int) -> None:
    with closed_gate(shop.target, "goods") as gate, cli(shop, *RUN_GOODS) as running:
        gate.crowd(2, running.ended)
        assert running.press(CTRL_C, times) == 130
        running.wait_until_alone()
        line = told(running)
    assert "0 of 1 jobs done" in line
    assert states(shop) == {"CANCELLED"}
    assert shop.run("status", "r", "shop.yaml").code in {130, 2}
    assert_resumed(shop, line)


def test_while_workers_start(shop: Workshop) -> None:
    with cli(shop, *RUN_GOODS) as running:
        running.wait_for(lambda: "starting 2 workers" in running.text and running.workers() != [])
        assert running.press(CTRL_C) == 130
        running.wait_until_alone()
        line = told(running)
    assert states(shop) == {"CANCELLED"}
    assert_resumed(shop, line)


def test_while_it_is_planned(shop: Workshop) -> None:
    locked = held(shop.source, "LOCK TABLE goods IN ACCESS EXCLUSIVE MODE")
    with locked, cli(shop, *RUN_GOODS) as running:
        running.wait_for(waiting(shop.source))
        assert running.press(CTRL_C) == 130
        running.wait_until_alone()
        line = told(running)
    assert_resumed(shop, line)


def test_while_it_is_published(shop: Workshop) -> None:
    head, _, tail = FLOW.rpartition("  names:\n")
    shop.write("shop.yaml", head.rstrip() + "\n      write_disposition: replace\n  names:\n" + tail)
    who = "application_name ~ '^mapper_dask:.*:coordinator$'"
    locked = held(shop.target, "LOCK TABLE goods IN EXCLUSIVE MODE")
    with locked, cli(shop, *RUN_GOODS) as running:
        running.wait_for(waiting(shop.target, who))
        assert running.press(CTRL_C) == 130
        running.wait_until_alone()
        line = told(running)
    assert states(shop) == {"CANCELLED"}
    assert_resumed(shop, line)


def test_while_several_jobs_of_a_flow_run(shop: Workshop) -> None:
    shop.target.execute(MAKE.format(table="names"))  # the same gate stands before both
    with (
        closed_gate(shop.target, "goods") as gate,
        cli(shop, "run", "shop.yaml", "--run-id", "r") as running,
    ):
        gate.crowd(2, running.ended)
        assert running.press(CTRL_C) == 130
        running.wait_until_alone()
        line = told(running)
    assert states(shop) == {"CANCELLED"}
    assert_resumed(shop, line)
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM names") == [(ROWS, ROWS)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_is_as_ctrl_c(shop: Workshop, number: signal.Signals) -> None:
    """As ``timeout``, a service manager and a terminal that is closed send it."""
    with closed_gate(shop.target, "goods") as gate, cli(shop, *RUN_GOODS) as running:
        gate.crowd(2, running.ended)
        began = time.monotonic()
        os.killpg(running.process.pid, number)
        assert running.outcome(began) == 130
        running.wait_until_alone()
    assert states(shop) == {"CANCELLED"}


def test_a_script_shows_less_than_twenty_lines(shop: Workshop) -> None:
    with (
        closed_gate(shop.target, "goods") as gate,
        terminal([sys.executable, "script.py"], shop.folder, shop.environment) as running,
    ):
        gate.crowd(2, running.ended)
        assert running.press(CTRL_C) == -signal.SIGINT, "a shell's loop must end with it"
        running.wait_until_alone()
        text = running.text
    after = text[text.index("interrupted") :]
    assert len(after.splitlines()) < 20, text
    assert text.rstrip().endswith("KeyboardInterrupt")
    assert "During handling" not in text
    assert "/site-packages/" not in text
    call = re.search(r"resume it: (ParallelProcessor\(\)\.resume\('r', .*\))", after)
    assert call is not None, text
    assert call[1] == "ParallelProcessor().resume('r', target_conn='env:TARGET')"
    assert shop.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    assert shop.run("resume", "r", "--ledger", "env:TARGET", "-q").code == 0
    assert_all_there(shop)


@pytest.mark.parametrize("parallel", [True, False])
def test_a_script_whose_function_computes_for_long_stops(shop: Workshop, *, parallel: bool) -> None:
    """No statement is at work that could be broken off: the function itself is."""
    shop.write(
        "shop_functions.py",
        """
        from multiprocessing import parent_process
        calls = []

        def priced(frame):
            calls.append(1)
            if parent_process() is None and len(calls) == 1:
                return frame  # the first rows, for their columns
            print("computing", flush=True)
            while True:
                pass
    """,
    )
    how = f"max_workers=2, enable_parallel={parallel}"
    shop.write("script.py", SCRIPT.replace("max_workers=2", how))
    with terminal([sys.executable, "script.py"], shop.folder, shop.environment) as running:
        running.wait_for(lambda: "computing" in running.text)
        assert running.press(CTRL_C) == -signal.SIGINT
        running.wait_until_alone()
        text = running.text
        assert len(text[text.index("interrupted") :].splitlines()) < 20, text
    assert shop.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
