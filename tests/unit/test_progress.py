"""How runs are shown, and that a hook can do a run no harm."""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

import mapper_dask
from mapper_dask import ParallelProcessor, Progress, RunEnded, RunEvent, RunStarted
from mapper_dask.connections.reference import reference
from mapper_dask.errors import ConfigurationError
from mapper_dask.events.displays.plain import LineDisplay
from mapper_dask.events.displays.terminal import Bar, Display
from mapper_dask.events.run_events import Counter
from mapper_dask.events.watch import RunWatch, require_progress
from mapper_dask.ledger.run_record import RunState
from mapper_dask.log import FlowPlace
from mapper_dask.mapper_job import MapperJob
from mapper_dask.parallel_models import (
    Chunk,
    ChunkConfig,
    ChunkingStrategy,
    ChunkKind,
    ChunkResult,
    ChunkState,
)
from mapper_dask.parallel_result import ParallelProcessingResult
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.schema.facts import SourceQuery

JOB = MapperJob(source_conn="env:SOURCE", source_sql="SELECT 1", run_id="r")


def chunks(count: int) -> list[Chunk]:
    return [Chunk(i, ChunkKind.KEY_RANGE, estimated_rows=100) for i in range(count)]


def started(count: int = 10, job: str = "") -> RunStarted:
    plan = ChunkPlan(
        SourceQuery("SELECT 1", ()),
        ChunkConfig(ChunkingStrategy.KEY_BASED, 100, 100 * count, count),
        tuple(chunks(count)),
    )
    return RunStarted(
        run_id="r", source=reference("env:SOURCE"), target=None, table=None, plan=plan,
        write_disposition="append", staged=False, chunks=count, resumed=False,
        place=FlowPlace("nightly", "f", job) if job else None,
        planning_began=1.0, planning_ended=2.0, began=3.0,
    )  # fmt: skip


def ended(start: RunStarted, state: RunState = RunState.SUCCEEDED, error: str | None = None):
    return RunEnded(started=start, state=state, result=None, error=error, ended=9.0)


def events(count: int, *, worker: str = "host:1", upto: int | None = None) -> list[RunEvent]:
    counter = Counter("r", chunks(count))
    results = [
        ChunkResult(
            i, ChunkState.PROCESSED, rows_read=100, rows_rejected=i % 2, worker=worker,
            processing_time=0.5,
        )
        for i in range(count)
    ]  # fmt: skip
    return [counter.event(r, r.chunk_id + 1.0) for r in results[:upto]]


def lines(hook: LineDisplay, stream: io.StringIO, *told) -> list[str]:
    for event in told:
        hook.chunk_done(event)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_a_tenth():
    stream = io.StringIO()
    hook = LineDisplay(stream)
    hook.run_started(started(95))

    shown = lines(hook, stream, *events(95))

    assert len(shown) == 10
    assert shown[0].startswith("10/95 chunks, 1,000 rows, 5 rejected, ")
    assert "ETA" in shown[0]
    assert shown[-1] == "95/95 chunks, 9,500 rows, 47 rejected, 100 rows/s"


def test_a_short_run_gets_a_line_a_chunk():
    stream = io.StringIO()

    assert len(lines(LineDisplay(stream), stream, *events(3))) == 3


def test_the_end_gets_a_line_when_it_is_not_the_last_tenth():
    stream = io.StringIO()
    hook, start = LineDisplay(stream), started(100)
    hook.run_started(start)
    lines(hook, stream, *events(100, upto=12))

    hook.run_ended(ended(start, RunState.FAILED, "TransformError"))

    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("run r FAILED: TransformError; 12/100 chunks, 1,200 rows")


def test_a_run_that_is_read_anew_is_shown_anew():
    stream = io.StringIO()
    hook = LineDisplay(stream)

    shown = lines(hook, stream, *events(10, upto=7), *events(10))

    assert len(shown) == 7 + 10


def test_lines_of_a_flow_name_their_job():
    stream = io.StringIO()
    hook = LineDisplay(stream)
    hook.run_started(started(1, job="airports"))

    assert lines(hook, stream, *events(1))[0].startswith("airports: 1/1 chunk,")


def terminal() -> tuple[Display, io.StringIO]:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=160, height=40, color_system=None)
    return Display(console), stream


def drawn(display: Display) -> str:
    """Return what the display draws at this moment."""
    console = Console(file=io.StringIO(), width=160, color_system=None)
    with console.capture() as capture:
        console.print(display._drawn())
    return capture.get()


def test_a_terminal_shows_a_bar_with_counts_and_a_line_a_worker():
    display, _ = terminal()
    bar = Bar(display)
    start = started(10)
    bar.run_started(start)
    for event in events(10, worker="one:1", upto=3):
        bar.chunk_done(event)
    for event in events(10, worker="two:2", upto=4)[3:]:
        bar.chunk_done(event)

    shown = drawn(display)
    bar.run_ended(ended(start))

    assert "4/10 chunks  400 rows, 100 rows/s, 2 rejected, ETA 0:06" in shown
    assert "one:1  3 chunks, 200 rows/s  r chunk 2: 100 rows in 500 ms" in shown
    assert "two:2  1 chunk, 200 rows/s  r chunk 3: 100 rows in 500 ms" in shown


def test_workers_beyond_a_screen_are_counted():
    display, _ = terminal()
    bar = Bar(display)
    bar.run_started(started(40))
    for number, event in enumerate(events(40)):
        bar.chunk_done(of_worker(event, f"host:{number:02}"))

    shown = drawn(display)
    bar.run_ended(ended(started(40)))

    assert "and 32 workers more" in shown
    assert "host:39" in shown
    assert "host:00" not in shown


def of_worker(event: RunEvent, worker: str) -> RunEvent:
    return replace(event, chunk=replace(event.chunk, worker=worker))


def test_jobs_that_run_at_a_time_share_one_display():
    display, stream = terminal()
    jobs = [started(50, job=name) for name in ("airports", "airlines", "weather")]
    together = threading.Barrier(len(jobs))

    def run(job: RunStarted) -> None:
        bar = Bar(display)
        bar.run_started(job)
        together.wait()
        for event in events(50, worker=f"w-{job.name}"):
            bar.chunk_done(event)
        together.wait()
        bar.run_ended(ended(job))

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    last = stream.getvalue()
    for name in ("airports", "airlines", "weather"):
        assert name in last
    assert last.count("50/50") >= 3
    assert display._live is None
    assert display._workers == {}


def test_the_display_stays_until_its_last_run_has_ended():
    display, stream = terminal()
    first, second = (started(5, job=name) for name in ("first", "second"))
    bars = [Bar(display), Bar(display)]
    for bar, start in zip(bars, (first, second), strict=True):
        bar.run_started(start)

    bars[0].run_ended(ended(first))
    bars[1].chunk_done(events(5)[0])
    shown = drawn(display)
    still_open = display._live is not None
    bars[1].run_ended(ended(second))

    assert still_open
    assert "first" in shown
    assert "1/5" in shown
    assert "host:1  1 chunk," in shown
    assert display._live is None
    assert "1/5" in stream.getvalue().rpartition("first")[2], "the last picture has both"


def test_the_display_opens_again_for_a_later_run():
    display, stream = terminal()
    for name in ("first", "second"):
        bar, start = Bar(display), started(2, job=name)
        bar.run_started(start)
        for event in events(2):
            bar.chunk_done(event)
        bar.run_ended(ended(start))

    assert "second" in stream.getvalue()
    assert "first" not in stream.getvalue().rpartition("second")[2]


def test_a_run_that_failed_says_so_beside_its_bar():
    display, stream = terminal()
    bar, start = Bar(display), started(4)
    bar.run_started(start)
    bar.run_ended(ended(start, RunState.FAILED, "TransformError"))

    assert "FAILED TransformError" in stream.getvalue()


class Everything:
    """A hook of a user's own, which inherits nothing."""

    def __init__(self):
        self.told = []

    def run_started(self, started):
        self.told.append(started)

    def chunk_done(self, event):
        self.told.append(event)

    def run_ended(self, ended):
        self.told.append(ended)


def watched(progress, count: int = 3) -> None:
    with RunWatch(progress, JOB) as watch:
        start = started(count)
        watch.started(start)
        for event in events(count):
            watch.chunk("r", event)
        watch.ended(ParallelProcessingResult(()), cancelled=False)


def test_a_hook_is_told_of_begin_chunks_and_end():
    hook = Everything()

    watched(hook)

    assert [type(what) for what in hook.told] == [RunStarted, *[RunEvent] * 3, RunEnded]
    assert hook.told[1].started is hook.told[0]
    assert hook.told[-1].started is hook.told[0]


def test_a_hook_may_have_some_of_the_methods():
    class End:
        def run_ended(self, ended):
            states.append(ended.state)

    states: list[RunState] = []
    watched(End())

    assert states == [RunState.SUCCEEDED]


def test_several_hooks_are_told_though_one_raises(caplog):
    def broken(_):
        raise ZeroDivisionError

    told: list[RunEvent] = []
    watched([broken, told.append, False])

    assert len(told) == 3
    complaints = [r for r in caplog.records if r.mapper["event"] == "hook_failed"]
    assert [r.mapper["error"] for r in complaints] == ["ZeroDivisionError"]


def test_what_ends_the_program_passes_a_hook():
    def interrupted(_):
        raise KeyboardInterrupt

    after = Everything()
    with pytest.raises(KeyboardInterrupt):
        watched([interrupted, after])

    assert after.told[-1].state is RunState.CANCELLED


def test_a_run_that_an_error_breaks_off_is_ended_once():
    hook = Everything()
    with pytest.raises(OSError), RunWatch(hook, JOB) as watch:  # noqa: PT011, PT012
        watch.started(started())
        raise OSError

    assert [type(what) for what in hook.told] == [RunStarted, RunEnded]
    assert (hook.told[-1].state, hook.told[-1].error) == (RunState.FAILED, "OSError")


def test_a_run_that_is_refused_is_told_as_that(caplog):
    class Refusals:
        def run_refused(self, refused):
            told.append(refused)

    told = []
    with pytest.raises(ConfigurationError), RunWatch(Refusals(), JOB):
        raise ConfigurationError("no", field="chunk_size")  # noqa: EM101

    assert [(r.run_id, r.error) for r in told] == [("r", "ConfigurationError")]
    assert caplog.records[-1].mapper == {
        "event": "run_refused", "run": "r", "error": "ConfigurationError", "field": "chunk_size",
    }  # fmt: skip


@pytest.mark.parametrize("progress", ["rich", 7, [True, "no"], object()])
def test_what_cannot_be_told_of_a_run_is_refused(progress):
    with pytest.raises(ConfigurationError, match="progress must be") as caught:
        ParallelProcessor(progress=progress)

    assert caught.value.details["field"] == "progress"


@pytest.mark.parametrize(
    "progress", [True, False, None, print, [], [True, print], (Everything(), None)]
)
def test_what_can_be_told_of_a_run_is_taken(progress):
    assert ParallelProcessor(progress=progress).progress is progress


def test_the_protocol_has_methods_that_do_nothing():
    class Mine(mapper_dask.Progress):
        pass

    watched(Mine())


def test_a_misspelt_method_is_no_silence():
    class Mine(Progress):
        def chunk_ended(self, event):
            raise AssertionError(event)

    with pytest.raises(ConfigurationError, match=r"Mine.chunk_ended; is it 'chunk_done'"):
        require_progress([None, Mine()])
