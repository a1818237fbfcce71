"""Whole runs and what is told of them: on a terminal, in a log, to hooks that fail."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor, Progress, RunEnded, RunEvent, reject
from mapper_dask.errors import ConfigurationError
from mapper_dask.ledger.run_record import RunState
from mapper_dask.log import flow_job
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.builders import job_of
from tests.database import Databases
from tests.machine import no_terminal

ROWS, SIZE = 1000, 100
MENDED: list[bool] = []
SECRET = "Tr0ub4dor"


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE shop (id int PRIMARY KEY, name text)")
    rows = "SELECT i, 'value-' || i FROM generate_series(1, 1000) i"
    databases.source.execute(f"INSERT INTO shop {rows}")
    databases.source.execute("ANALYZE shop")
    databases.target.execute("CREATE TABLE sold (id int PRIMARY KEY, name text)")
    return databases


def job(shop: Databases, **options) -> MapperJob:
    usual = {"source_sql": "SELECT * FROM shop", "target_table": "sold", "chunk_size": SIZE}
    return job_of(shop, **{**usual, **options})


def run(shop: Databases, progress=None, **options) -> ParallelProcessingResult:
    return ParallelProcessor(enable_parallel=False, progress=progress).run(job(shop, **options))


def sold(shop: Databases) -> tuple[int, int]:
    """Return all rows of the target, and how many differ: equal when none came twice."""
    return shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM sold")[0]


def marks_sevens(frame: pd.DataFrame) -> pd.DataFrame:
    return reject(frame, frame.id // 7 * 7 == frame.id, "a seven")


def fails_once(frame: pd.DataFrame) -> pd.DataFrame:
    """Fail in one chunk, with a row's value in the error's text, until it is mended."""
    if not MENDED and (frame.id == 350).any():
        raise ValueError(f"cannot use {frame.name.iloc[0]}")
    return frame


def recorded(caplog: pytest.LogCaptureFixture) -> list[dict]:
    return [r.mapper for r in caplog.records if hasattr(r, "mapper")]


class Raising(Progress):
    """Raises whatever it is told."""

    def run_started(self, started):
        raise ArithmeticError(started.run_id)

    def chunk_done(self, event):
        raise ArithmeticError(event.done)

    def run_ended(self, ended):
        raise ArithmeticError(ended.state)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hook_that_raises_loses_and_doubles_no_row(shop, caplog, workers):
    after: list[RunEvent] = []
    processor = ParallelProcessor(workers, progress=[Raising(), after.append])

    result = processor.run(job(shop)).raise_for_status()

    assert sold(shop) == (ROWS, ROWS)
    assert result.total_rows_successful == ROWS
    assert len(after) == 10, "the hook after the one that raises was told of every chunk"
    assert shop.target.fetch("SELECT state FROM mapper_dask_run") == [("SUCCEEDED",)]
    complaints = [r for r in recorded(caplog) if r["event"] == "hook_failed"]
    assert [(c["hook"], c["error"]) for c in complaints] == [("Raising", "ArithmeticError")]


def test_rejects_are_in_the_events(shop):
    events: list[RunEvent] = []

    result = run(shop, events.append, transformation_logic=marks_sevens, reject_limit=500)

    assert events[-1].rejected == result.total_rows_rejected == ROWS // 7
    assert [e.rejected for e in events] == sorted(e.rejected for e in events)
    assert events[0].eta > 0
    assert events[-1].eta == 0
    assert f"{ROWS // 7} rejected" in str(events[-1])


def test_a_resumed_run_counts_what_it_does_now(shop, monkeypatch):
    run(shop, transformation_logic=fails_once, on_error="continue", run_id="r")
    monkeypatch.setattr(sys.modules[__name__], "MENDED", [True])
    told = []

    class Look(Progress):
        def run_started(self, started):
            told.append((started.resumed, started.chunks))

        def chunk_done(self, event):
            told.append((event.done, event.total))

        def run_ended(self, ended):
            told.append((ended.state, ended.result.total_rows_successful))

    processor = ParallelProcessor(enable_parallel=False, progress=Look())
    processor.resume(
        "r", target_conn=shop.target.url, source_conn=shop.source.url,
        transformation_logic=fails_once,
    )  # fmt: skip

    assert told == [(True, 1), (1, 1), (RunState.SUCCEEDED, ROWS)]


def test_the_log_tells_each_change_of_state_once(shop, caplog):
    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        run(shop, write_disposition="replace", run_id="r")

    told = [r for r in recorded(caplog) if r["event"] != "plan_note"]  # of the server's settings
    assert Counter(r["event"] for r in told) == {
        "run_planned": 1, "run_started": 1, "chunk_assigned": 10, "chunk_processed": 10,
        "run_published": 1, "run_succeeded": 1,
    }  # fmt: skip
    assert {r["run"] for r in told} == {"r"}
    order = [r["event"] for r in told]
    assert order[:3] == ["run_planned", "run_started", "chunk_assigned"]
    assert order[-2:] == ["run_published", "run_succeeded"]
    assert told[-1]["rows_loaded"] == ROWS
    assert all(r.getMessage().startswith(f"event={r.mapper['event']} ") for r in caplog.records)
    assert json.loads(json.dumps(told)) == told, "a formatter can write them as JSON"


def test_the_log_of_two_workers_names_each_chunk_once(shop, caplog):
    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        ParallelProcessor(2, progress=False).run(job(shop)).raise_for_status()

    told = recorded(caplog)
    for event in ("chunk_assigned", "chunk_processed"):
        assert sorted(r["chunk"] for r in told if r["event"] == event) == list(range(10))
    assert len({r["worker"] for r in told if r["event"] == "chunk_processed"}) >= 1


class Kept(logging.StreamHandler):
    """Where a user gathers what several loggers write."""

    def __init__(self):
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def kept(monkeypatch) -> Kept:
    """A handler that this library's logger, Dask's and one of the user's own share."""
    handler = Kept()
    for name in ("mapper_dask", "distributed", "mine"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [*logger.handlers, handler])
    return handler


@pytest.mark.workers
def test_a_handler_that_dask_shares_gets_each_event_of_two_workers_and_no_noise(shop, caplog, kept):
    def also_writes(event: RunEvent) -> None:
        logging.getLogger("mine").warning("chunk %s", event.chunk.chunk_id)
        logging.getLogger("distributed.comm").error("lost")
        logging.getLogger("distributed.worker").critical("out of memory")

    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        ParallelProcessor(2, progress=also_writes).run(job(shop)).raise_for_status()
        logging.getLogger("distributed.comm").error("lost")

    of_runs = Counter(r.mapper["event"] for r in kept.records if hasattr(r, "mapper"))
    assert [of_runs[f"chunk_{what}"] for what in ("assigned", "processed")] == [10, 10]
    assert of_runs["run_started"] == 1
    by_others = Counter(r.getMessage() for r in kept.records if not hasattr(r, "mapper"))
    assert by_others == {**{f"chunk {n}": 1 for n in range(10)}, "out of memory": 10, "lost": 1}
    assert kept.level == logging.NOTSET


def test_a_failed_run_is_told_without_a_value_of_a_row_or_a_secret(shop, caplog):
    secret = sa.make_url(shop.source.url).set(password=SECRET)
    url = secret.render_as_string(hide_password=False)
    with caplog.at_level(logging.DEBUG, logger="mapper_dask"):
        run(shop, transformation_logic=fails_once, on_error="continue", source_conn=url)

    told = recorded(caplog)
    [failed] = [r for r in told if r["event"] == "chunk_failed"]
    assert (failed["chunk"], failed["state"]) == (3, "PROCESSED_WITH_ERROR")
    assert failed["error"].endswith("Error")
    assert (caplog.records[-1].levelno, told[-1]["event"]) == (logging.ERROR, "run_failed")
    assert told[-1]["failed"] == 1
    text = "\n".join(f"{r.getMessage()} {r.mapper}" for r in caplog.records)
    assert "value-" not in text
    assert SECRET not in text


def test_a_refused_run_is_told_with_the_argument_to_blame(shop, caplog):
    with pytest.raises(ConfigurationError):
        run(shop, target_table="nowhere")

    assert recorded(caplog)[-1] == {
        "event": "run_refused", "error": "TargetError", "field": "target_table",
    }  # fmt: skip


def test_a_cancelled_run_is_told_as_that(shop, caplog):
    seen: list[RunEnded] = []
    reached, let_go = threading.Event(), threading.Event()

    class Stop(Progress):
        def chunk_done(self, _):
            reached.set()
            let_go.wait()

        def run_ended(self, ended):
            seen.append(ended)

    processor = ParallelProcessor(enable_parallel=False, progress=Stop())
    with caplog.at_level(logging.INFO, logger="mapper_dask"), processor.start(job(shop)) as handle:
        reached.wait()
        handle.cancel()
        let_go.set()
        handle.result()

    assert [ended.state for ended in seen] == [RunState.CANCELLED]
    assert recorded(caplog)[-1]["event"] == "run_cancelled"
    assert shop.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]


def test_a_run_in_the_background_knows_the_flow_it_belongs_to(shop, caplog):
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    with (
        caplog.at_level(logging.INFO, logger="mapper_dask"),
        flow_job(flow="nightly", flow_run="f1", job="shop"),
        processor.start(job(shop)) as handle,
    ):
        handle.result().raise_for_status()

    assert {r["job"] for r in recorded(caplog)} == {"shop"}


def test_a_failed_run_ends_in_a_line_where_there_is_no_terminal(shop, capsys, monkeypatch):
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    run(shop, progress=True, transformation_logic=fails_once, run_id="r")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("run r FAILED: ")
    assert "4/10 chunks, 1 failed" in lines[-1]


ON_A_TERMINAL = """
import os, sys, threading
from mapper_dask import MapperJob, ParallelProcessor, reject
from mapper_dask.events.run_events import flow_job

def marks(frame):
    return reject(frame, frame.id // 7 * 7 == frame.id, "a seven")

def move(name):
    with flow_job(flow="nightly", flow_run="f", job=name):
        ParallelProcessor(enable_parallel=False, progress=PROGRESS).run(
            MapperJob(
                source_conn="env:SOURCE", source_sql="SELECT * FROM shop", chunk_size=100,
                target_conn="env:TARGET", target_table=name, reject_limit=500,
                transformation_logic=marks,
            )
        ).raise_for_status()

threads = [threading.Thread(target=move, args=(name,)) for name in NAMES]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def on_a_terminal(shop: Databases, folder: Path, *names: str, progress: bool | None) -> str:
    """Return what a program writes to a terminal of its own."""
    if why := no_terminal():
        pytest.skip(why)
    script = folder / "script.py"
    script.write_text(f"NAMES, PROGRESS = {names!r}, {progress!r}\n{ON_A_TERMINAL}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={
            **os.environ, "SOURCE": shop.source.url, "TARGET": shop.target.url,
            "TERM": "xterm", "COLUMNS": "200", "LINES": "40", "NO_COLOR": "1",
        },
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal is closed: Linux's way to say the end
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return written.decode()


def test_a_terminal_shows_bar_speed_rejects_and_workers(shop, tmp_path):
    shown = on_a_terminal(shop, tmp_path, "sold", progress=None)

    assert "sold" in shown
    assert "10/10" in shown
    assert "1,000 rows" in shown
    assert "rows/s" in shown
    assert "142 rejected" in shown


def test_jobs_of_a_flow_share_a_terminal(shop, tmp_path):
    for name in ("one", "two", "three"):
        shop.target.execute(f"CREATE TABLE {name} (LIKE sold)")

    shown = on_a_terminal(shop, tmp_path, "one", "two", "three", progress=True)

    for name in ("one", "two", "three"):
        assert name in shown
        assert shop.target.fetch(f"SELECT count(*) FROM {name}") == [(ROWS - ROWS // 7,)]
    assert shown.count("10/10") >= 3
    assert "Traceback" not in shown


def test_a_quiet_run_writes_nothing_to_a_terminal(shop, tmp_path):
    assert on_a_terminal(shop, tmp_path, "sold", progress=False) == ""
