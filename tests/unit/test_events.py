"""What a run tells: counts, the time to go, log records with fields, and no value of a row."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

import pytest

from mapper_dask import log as journal
from mapper_dask.events import run_events as events
from mapper_dask.events.run_events import Counter, RunEvent, clock
from mapper_dask.log import error_kind, flow_job, log
from mapper_dask.parallel_models import Chunk, ChunkKind, ChunkResult, ChunkState


def chunks(*rows: int | None) -> list[Chunk]:
    return [Chunk(i, ChunkKind.KEY_RANGE, estimated_rows=n) for i, n in enumerate(rows)]


def done(chunk_id: int, rows: int = 100, **more) -> ChunkResult:
    return ChunkResult(chunk_id, ChunkState.PROCESSED, rows_read=rows, **more)


def test_events_count_chunks_rows_rejects_and_failures():
    counter = Counter("r", chunks(100, 100, 100))

    counter.event(done(1, rows_rejected=3), 1.0)
    counter.event(done(0, error="ValueError: 17"), 2.0)
    event = counter.event(done(2, rows_rejected=4), 4.0)

    assert (event.done, event.total, event.failed) == (3, 3, 1)
    assert (event.rows, event.rejected, event.rows_per_second) == (300, 7, 75.0)
    assert str(event) == "3/3 chunks, 1 failed, 300 rows, 7 rejected, 75 rows/s"
    assert counter.rows == 300


def test_the_time_to_go_follows_the_rows_that_are_left():
    """After the small chunk a tenth of the rows is read, though half of the chunks are."""
    event = Counter("r", chunks(99, 899)).event(done(0), 10.0)

    assert event.share == pytest.approx(0.1)
    assert event.eta == pytest.approx(90.0)
    assert str(event).endswith("ETA 1:30")


def test_the_time_to_go_follows_the_chunks_where_rows_are_not_known():
    event = Counter("r", chunks(None, 5, None, None)).event(done(1), 10.0)

    assert event.eta == pytest.approx(30.0)


def test_empty_chunks_still_move_the_run_on():
    counter = Counter("r", chunks(0, 0))

    assert counter.event(done(0, rows=0), 1.0).share == pytest.approx(0.5)
    assert counter.event(done(1, rows=0), 2.0).eta == 0.0


def test_a_chunk_that_is_told_twice_counts_once_of_the_work():
    counter = Counter("r", chunks(10, 10))
    counter.event(done(0), 1.0)

    assert counter.event(done(0), 2.0).share == pytest.approx(0.5)


def test_nothing_is_said_of_the_time_before_it_is_known():
    assert RunEvent("r", done(0), 0, 5, 0, 0, 0.0).eta is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (7, "0:07"), (725, "12:05"), (10800, "3:00:00")]
)
def test_times_read_as_a_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the function raised KeyError: 'Smith'\nTraceback … ValueError", "KeyError"),
        ("DatabaseError: duplicate key value [23505]", "DatabaseError 23505"),
        ("DatabaseError: ORA-00001: unique constraint", "DatabaseError ORA-00001"),
        ("value 'Smith' does not fit", "ChunkError"),
        ("", "ChunkError"),
    ],
)
def test_the_kind_of_an_error_is_told_and_no_value(text, kind):
    assert error_kind(text) == kind


def test_a_record_has_its_fields_as_text_and_as_a_mapping(caplog):
    with caplog.at_level(logging.INFO, logger="mapper_dask"):
        log("run_planned", run="r 1", chunks=3, seconds=1.23456, cut='by "id"', error=None)

    [record] = caplog.records
    assert record.name == "mapper_dask"
    assert record.getMessage() == (
        'event=run_planned run="r 1" chunks=3 seconds=1.235 cut="by \\"id\\""'
    )
    assert record.mapper == {
        "event": "run_planned", "run": "r 1", "chunks": 3, "seconds": 1.23456, "cut": 'by "id"',
    }  # fmt: skip


def test_a_record_cannot_be_split_by_a_line_break(caplog):
    with caplog.at_level(logging.INFO, logger="mapper_dask"):
        log("plan_note", note="one\nevent=run_succeeded")

    assert "\n" not in caplog.records[0].getMessage()


def test_fields_are_values_that_json_has(caplog):
    with caplog.at_level(logging.INFO, logger="mapper_dask"):
        log("x", why=ValueError("no"), done=True, rows=3)

    assert caplog.records[0].mapper == {"event": "x", "why": "no", "done": True, "rows": 3}


def test_every_event_of_the_library_is_documented():
    library = Path(journal.__file__).parent
    texts = [path.read_text("utf-8") for path in library.rglob("*.py")]
    written = {name for t in texts for name in re.findall(r'\blog\(\s*"(\w+)"', t)}
    written |= {name for name, _ in events._ENDINGS.values()} | {"run_failed", "chunk_processed"}

    documented = set(re.findall(r"^``(\w+)``  ", journal.__doc__, re.MULTILINE))
    assert written - {"x"} <= documented
    assert documented <= written | {"chunk_failed"}


def test_a_level_that_nobody_reads_costs_no_text(caplog):
    class Costly:
        def __str__(self):
            raise AssertionError

    with caplog.at_level(logging.WARNING, logger="mapper_dask"):
        log("chunk_processed", chunk=Costly())

    assert caplog.records == []


def test_a_failed_chunk_is_told_without_what_the_function_said(caplog):
    failed = ChunkResult(
        4, ChunkState.PROCESSED_WITH_ERROR, "[Smith, Jones)",
        error="TransformError: Smith has no number", worker="host:1",
    )  # fmt: skip
    with caplog.at_level(logging.INFO, logger="mapper_dask"):
        events.log_chunk("r", Counter("r", chunks(*[1] * 5)).event(failed, 1.0))

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.mapper["event"] == "chunk_failed"
    assert record.mapper["error"] == "TransformError"
    assert "Smith" not in record.getMessage()


def test_a_job_of_a_flow_is_named_in_each_record_of_its_thread_only(caplog):
    def other():
        log("other")

    with (
        caplog.at_level(logging.INFO, logger="mapper_dask"),
        flow_job(flow="nightly", flow_run="f1", job="flights"),
    ):
        log("run_started", run="r")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    log("after")

    first, second = caplog.records[:2]
    assert first.mapper == {
        "event": "run_started", "run": "r", "flow": "nightly", "flow_run": "f1", "job": "flights",
    }  # fmt: skip
    assert second.mapper == {"event": "other"}


def test_a_flow_tells_its_own_events(caplog):
    with caplog.at_level(logging.INFO, logger="mapper_dask"):
        events.log_flow_event(
            "job_skipped", flow="nightly", flow_run="f1", job="b", level=logging.WARNING,
            waits_for="a",
        )  # fmt: skip

    [record] = caplog.records
    assert record.getMessage() == ("event=job_skipped flow=nightly flow_run=f1 job=b waits_for=a")
    assert record.levelno == logging.WARNING


def test_half_a_letter_is_written_so_that_any_stream_can_take_it(caplog):
    with caplog.at_level("INFO", logger="mapper_dask"):
        journal.log("run_refused", run="x\ud800")

    (record,) = caplog.records
    assert record.mapper["run"] == "x\\ud800"
    record.getMessage().encode("utf-8")
