"""What a user sees of a failure: their own exception and line first, and a script that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from mapper_dask import ExecutionEngine, Flow, FlowJob, MapperJob, ParallelProcessor
from mapper_dask.errors import ConfigurationError, RunFailedError, TargetError
from mapper_dask.mapping.transform import Transform
from tests.builders import job_of, make_shop
from tests.database import Databases
from tests.scripts import ROOT

ROWS = 400
MOST_LINES = 20
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge", "primary_key": ["id"]},
}
INSIDE = (
    "tenacity",
    "concurrent/futures",
    "coordinator",
    "preflight",
    "pandas/core",
    "distributed",
)


@pytest.fixture
def shop(databases: Databases) -> Databases:
    columns = "'secret ' || g AS v"
    return make_shop(databases, ROWS, columns, target="d (id int PRIMARY KEY, v text)")


@pytest.fixture(autouse=True)
def _raising() -> Iterator[None]:
    """As it is where nobody says otherwise."""
    with dask.config.set({"mapper-dask.on-failure": "raise"}):
        yield


def job(shop: Databases, function: Any, **options: Any) -> MapperJob:
    return job_of(shop, **{"chunk_size": 100, "transformation_logic": function, **options})


def loaded(shop: Databases) -> int:
    [(count,)] = shop.target.fetch("SELECT count(*) FROM d")
    return int(count)


class OddError(Exception):
    """One of the user's own, with more than a text."""

    def __init__(self, name: str = "odd", number: int = 7) -> None:
        super().__init__(name, number)
        self.number = number


def odd(_frame: pd.DataFrame) -> pd.DataFrame:
    raise OddError


def in_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=frame["w"])


def of_another(frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return in_pandas(frame)
    except KeyError as error:
        raise OddError from error


def without_end(frame: pd.DataFrame) -> pd.DataFrame:
    return without_end(frame)


# -- the exception ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WAYS)
def test_the_users_exception_is_the_cause(shop: Databases, how: str) -> None:
    with pytest.raises((RunFailedError, TargetError)) as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, odd, **WAYS[how]))

    cause = caught.value.__cause__
    assert isinstance(cause, OddError)
    assert cause.number == 7
    lines = list(frames_of(cause))
    assert lines == [(__file__, "odd")]
    assert f"{__file__}, line " in str(caught.value)
    assert "in odd" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def frames_of(error: BaseException) -> Iterator[tuple[str, str]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name
        trace = trace.tb_next


@pytest.mark.parametrize("how", WAYS)
def test_what_led_to_it_is_kept_where_it_is_the_users(shop: Databases, how: str) -> None:
    with pytest.raises((RunFailedError, TargetError)) as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, of_another, **WAYS[how]))

    cause = caught.value.__cause__
    assert isinstance(cause, OddError)
    before = cause.__cause__
    assert isinstance(before, KeyError)
    assert [name for _, name in frames_of(before)] == ["of_another", "in_pandas"]
    assert before.__cause__ is None
    assert before.__suppress_context__


@pytest.mark.parametrize("how", ["append", "replace"])
def test_recursion_is_told_from_both_ends(shop: Databases, how: str) -> None:
    with pytest.raises((RunFailedError, TargetError)) as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, without_end, **WAYS[how]))

    cause = caught.value.__cause__  # not there where Python has no room left to send it
    assert cause is None or len(list(frames_of(cause))) <= 6
    assert len(str(caught.value).splitlines()) < MOST_LINES
    assert "RecursionError: maximum recursion depth exceeded" in str(caught.value)
    assert "in without_end" in str(caught.value)


def test_it_comes_from_workers_as_it_was(shop: Databases) -> None:
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(RunFailedError) as caught,
    ):
        ParallelProcessor(client=client).run(job(shop, odd))

    assert isinstance(caught.value.__cause__, OddError)
    assert loaded(shop) == 0


class Unsendable(Exception):  # noqa: N818 - what it is called is not our business
    def __init__(self, _one: int, _two: int) -> None:
        super().__init__("holds a lock")


def unsendable(_frame: pd.DataFrame) -> pd.DataFrame:
    raise Unsendable(1, 2)


def test_one_that_cannot_be_sent_is_told_as_text(shop: Databases) -> None:
    with pytest.raises(RunFailedError, match=r"raised Unsendable: holds a lock") as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, unsendable))

    assert caught.value.__cause__ is None
    assert "raise Unsendable(1, 2)" in str(caught.value)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    "steps", [{"rename": {"vv": "v"}}, {"cast": {"vv": "string"}}, {"drop": ["vv"]}]
)
def test_a_misspelt_column_is_named_with_its_field(
    shop: Databases, how: str, steps: dict[str, Any]
) -> None:
    """Before a row moves: no row has it."""
    [step] = steps
    with pytest.raises(ConfigurationError) as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, Transform(**steps), **WAYS[how]))

    told = str(caught.value)
    assert f"transform.{step}: {step}: there is no column 'vv', only 'id', 'v'" in told
    assert "did you mean 'v'?" in told
    assert "function" not in told
    assert "Traceback" not in told
    assert caught.value.__cause__ is None


def test_the_frames_that_are_left_out_are_in_the_log(
    shop: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG, logger="mapper_dask"),
        pytest.raises(TargetError),
    ):
        ParallelProcessor(enable_parallel=False).run(
            job(shop, in_pandas, write_disposition="replace")
        )

    [told] = [r.mapper for r in caplog.records if r.mapper["event"] == "error_told"]
    assert "preflight/checks.py" in told["passed"]
    assert "coordinator.py" in told["passed"]
    assert "pandas/core" in told["cause_passed"]
    assert told["cause"] == "KeyError"
    assert "secret" not in caplog.text


# -- what is printed -------------------------------------------------------------------------------

SCRIPT = """
import sys
from mapper_dask import ParallelProcessor


def with_speed(planes):
    return faster(planes)


def faster(planes):
    # here
    return planes.assign(v=planes["speeed"])


if __name__ == "__main__":
    workers, how, on_failure = sys.argv[1:]
    processor = ParallelProcessor(max_workers=int(workers), on_failure=on_failure or None)
    result = processor.process_mapper_job(
        "env:SOURCE", "SELECT * FROM s", with_speed, "env:TARGET", None, "d",
        chunk_size=100, write_disposition=how)
    print(result.succeeded, result.total_rows_successful)
"""


def printed(
    shop: Databases, tmp_path: Path, text: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "mine.py"
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    ours = {k: v for k, v in os.environ.items() if not k.startswith("DASK_MAPPER")}
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**ours, "PYTHONPATH": str(ROOT), "SOURCE": shop.source.url, "IPYTHONDIR": "/nowhere",
             "TARGET": shop.target.url, "HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "how"), [("1", "append"), ("2", "append"), ("1", "replace"), ("1", "merge")]
)
def test_a_script_ends_with_the_users_line(
    shop: Databases, tmp_path: Path, workers: str, how: str
) -> None:
    done = printed(shop, tmp_path, SCRIPT, workers, how, "")

    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(lines) < MOST_LINES, done.stderr
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path / "mine.py"}", line 7, in with_speed'
    assert lines[2] == "    return faster(planes)"
    assert any(line.endswith('/mine.py", line 12, in faster') for line in lines)
    assert '    return planes.assign(v=planes["speeed"])' in lines
    assert lines.index("KeyError: 'speeed'") < len(lines) - 1
    kind = "RunFailedError" if how == "append" else "TargetError"
    assert lines[-1].startswith(f"mapper_dask.errors.{kind}: ")
    assert not [name for name in INSIDE if name in done.stderr]


def test_a_script_may_look_for_itself(shop: Databases, tmp_path: Path) -> None:
    done = printed(shop, tmp_path, SCRIPT, "1", "append", "return")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "False 0\n"


NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell

if __name__ == "__main__":
    shell = InteractiveShell.instance()
    shell.run_line_magic("colors", "nocolor")
    workers, how, _ = sys.argv[1:]
    shell.run_cell("from mapper_dask import MapperJob, ParallelProcessor")
    shell.run_cell('def with_speed(planes):\\n    return planes.assign(v=planes["speeed"])')
    shell.run_cell(
        "job = MapperJob(source_conn='env:SOURCE', source_sql='SELECT * FROM s', chunk_size=100,"
        "transformation_logic=with_speed, target_conn='env:TARGET', target_table='d',"
        f"write_disposition={how!r})")
    shell.run_cell(f"ParallelProcessor(max_workers={workers}).run(job)")
"""


@pytest.mark.parametrize(("workers", "how"), [("2", "append"), ("1", "replace")])
def test_a_notebook_shows_the_users_cell(
    shop: Databases, tmp_path: Path, workers: str, how: str
) -> None:
    pytest.importorskip("IPython")
    done = printed(shop, tmp_path, NOTEBOOK, workers, how, "")

    lines = done.stdout.splitlines()
    assert len(lines) < MOST_LINES, done.stdout
    assert lines[1].startswith("KeyError ")
    assert any('return planes.assign(v=planes["speeed"])' in line for line in lines[:6])
    assert not [name for name in (*INSIDE, "tracebacks.py") if name in done.stdout]


# -- on_failure ------------------------------------------------------------------------------------


def late(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame.id == ROWS).any():
        raise OddError
    return frame


def test_the_error_holds_the_result(shop: Databases) -> None:
    with pytest.raises(RunFailedError) as caught:
        ParallelProcessor(enable_parallel=False).run(job(shop, late))

    result = caught.value.result
    assert result.total_rows_successful == 300 == loaded(shop)
    assert result.total_rows_failed == 100
    assert (result.chunks_succeeded, result.chunks_failed, result.chunks_total) == (3, 1, 4)
    assert not result.succeeded
    with pytest.raises(RunFailedError, match=r"1 of 4 chunks"):
        result.raise_for_status()


def test_what_is_asked_for_is_returned(shop: Databases) -> None:
    processor = ParallelProcessor(enable_parallel=False, on_failure="return")
    result = processor.run(job(shop, late, run_id="r"))
    again = processor.resume("r", target_conn=shop.target.url, job=job(shop, late))
    handle = processor.start(job(shop, late, write_disposition="replace"))

    assert [result.succeeded, again.succeeded, handle.result().succeeded] == [False] * 3


def test_resume_and_the_handle_raise_too(shop: Databases) -> None:
    processor = ParallelProcessor(enable_parallel=False)
    with pytest.raises(RunFailedError) as first:
        processor.process_mapper_job(**vars_of(job(shop, late, run_id="r")))
    with pytest.raises(RunFailedError) as again:
        processor.resume("r", target_conn=shop.target.url, job=job(shop, late))
    with processor.start(job(shop, late, run_id="s", atomic=True)) as run:
        for _ in range(2):
            with pytest.raises(RunFailedError) as handled:
                run.result()

    for caught in (first, again, handled):
        assert isinstance(caught.value.__cause__, OddError)
        assert caught.value.result.chunks_failed == 1
    fine = processor.resume("r", target_conn=shop.target.url, job=job(shop, late),
                            transformation_logic=passes)  # fmt: skip
    assert fine.succeeded
    assert loaded(shop) == ROWS


def passes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


passes.__module__, passes.__qualname__ = late.__module__, late.__qualname__


def test_what_is_awaited_is_told_as_plainly(shop: Databases) -> None:
    async def wait() -> None:
        await ParallelProcessor(enable_parallel=False).start(job(shop, of_another))

    with pytest.raises(RunFailedError) as caught:
        asyncio.run(wait())

    assert [name for _, name in frames_of(caught.value.__cause__)] == ["of_another"]
    text = "".join(traceback.format_exception(caught.value))
    assert not [name for name in (*INSIDE, "coordinator", "parallel_processor") if name in text]
    ours = [file for file, _ in frames_of(caught.value) if "/mapper_dask/" in file]
    assert len(ours) <= 2, ours


def test_of_chunks_that_fail_on_and_on_one_exception_is_kept(shop: Databases) -> None:
    processor = ParallelProcessor(enable_parallel=False, on_failure="return")
    result = processor.run(job(shop, odd, on_error="continue"))

    assert result.chunks_failed == 4
    assert sum(chunk.raised is not None for chunk in result.chunk_results) == 1
    assert isinstance(result.cause, OddError)


def test_a_run_that_was_done_before_says_that_it_moved_nothing(shop: Databases) -> None:
    processor = ParallelProcessor(enable_parallel=False)
    assert "moved in" in str(processor.run(job(shop, passes, run_id="r")))
    again = str(processor.run(job(shop, passes, run_id="r")))

    assert "time             nothing was moved by this call" in again
    assert "0 ms" not in again


def vars_of(made: MapperJob) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


def test_a_cancelled_run_is_raised(shop: Databases) -> None:
    def stop(_event: object) -> None:
        handle.cancel()

    processor = ParallelProcessor(enable_parallel=False, progress=stop)
    handle = processor.start(job(shop, passes, run_id="r"))
    with pytest.raises(RunFailedError, match="cancelled"):
        handle.result()


def test_a_flow_is_raised_once_all_its_jobs_have_ended(shop: Databases) -> None:
    shop.target.execute("CREATE TABLE e (id int, v text)")
    one = FlowJob(name="one", job=job(shop, late), parallel=False)
    two = FlowJob(name="two", job=job(shop, passes, target_table="e"), parallel=False)
    flow = Flow(name="f", jobs=(one, two), run_id="f1")
    with pytest.raises(RunFailedError, match=r"First: one FAILED: chunk 3") as caught:
        ExecutionEngine().run(flow)
    with pytest.raises(RunFailedError):
        ExecutionEngine().resume("f1", ledger_conn=shop.target.url, flow=flow)
    returned = ExecutionEngine(on_failure="return").run(flow)

    assert [j.state.value for j in caught.value.result.jobs] == ["FAILED", "SUCCEEDED"]
    assert isinstance(caught.value.__cause__, OddError)
    assert [j.state.value for j in returned.jobs] == ["FAILED", "SUCCEEDED"]
    assert ExecutionEngine().status("f1", ledger_conn=shop.target.url).errors


@pytest.mark.parametrize("made", [ParallelProcessor, ExecutionEngine])
def test_another_word_is_refused(made: Any) -> None:
    with pytest.raises(ConfigurationError, match="on_failure must be 'raise' or 'return'"):
        made(on_failure="ignore")
