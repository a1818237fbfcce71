"""What the command line is made of, without a database."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mapper_dask.cli import main, plan_files
from mapper_dask.cli.page import RunPage, page
from mapper_dask.cli.plan_files import PlanFile
from mapper_dask.cli.reply import plain, without_urls
from mapper_dask.cli.tables import table
from mapper_dask.errors import ConfigurationError
from mapper_dask.parallel_models import ChunkResult, ChunkState
from mapper_dask.parallel_result import ParallelProcessingResult


def test_a_table_puts_numbers_to_the_right() -> None:
    assert table(("a", "name"), [(1000, "x"), (2, None)]) == "    a  name\n1,000  x\n    2"


def test_urls_that_were_typed_are_not_repeated() -> None:
    typed = ["--ledger=postgresql://u:secret@h/x", "other"]
    assert "secret" not in without_urls("bad postgresql://u:secret@h/x here", typed)


def test_infinite_numbers_become_text_in_json() -> None:
    assert json.loads(json.dumps(plain({"a": float("inf"), "b": (1, None)}))) == {
        "a": "inf",
        "b": [1, None],
    }


def test_a_plan_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "p.plan")
    PlanFile("f.yaml", ".", "version: 1", {"j": None}, {}).save(path)
    assert plan_files.is_plan(path)
    assert plan_files.load(path).document == "version: 1"
    text = Path(path).read_text(encoding="utf-8")
    for changed, said in (
        (text.replace("version: 1", "version: 2"), "changed"),
        (text.replace('"mapper_dask_plan": 1', '"mapper_dask_plan": 9'), "version 9"),
        (text[:40], "no plan"),
    ):
        Path(path).write_text(changed, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=said):
            plan_files.load(path)


def test_the_picture_has_a_lane_for_each_worker() -> None:
    chunks = tuple(
        ChunkResult(n, ChunkState.PROCESSED, worker=f"host:{n % 2}", bounds="<b>") for n in range(6)
    )
    times = {n: (n * 0.5, n * 0.5 + 0.4) for n in range(6)}
    text = page("t", [RunPage("r", "SUCCEEDED", "d", ParallelProcessingResult(chunks), times)])
    assert text.count("<rect") == 6
    assert text.count("host:0</text>") == text.count("host:1</text>") == 1
    assert "<b>" not in text


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mapper-dask ")


def test_no_command_shows_help_and_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_colours_only_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["nope"]) == 2
    assert "\x1b" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    main(["nope"])
    assert "\x1b" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    main(["nope"])
    assert "\x1b" not in capsys.readouterr().err


def test_what_should_not_happen_shows_no_traceback_unless_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        message = "of the library"
        raise RuntimeError(message)

    monkeypatch.setattr("mapper_dask.settings.resolve", broken)
    assert main(["config"]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: of the library" in said
    assert "Traceback" not in said
    assert main(["config", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_leaves_the_logging_of_a_program_that_calls_us_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("mapper_dask")
    handlers, level = list(logger.handlers), logger.level

    def logs(*_: object, **__: object) -> None:
        logger.debug("of this call")
        raise KeyboardInterrupt

    monkeypatch.setattr("mapper_dask.settings.resolve", logs)
    assert main(["config", "--debug"]) == 130
    assert capsys.readouterr().err.count("of this call") == 1
    assert (logger.handlers, logger.level) == (handlers, level)


def test_a_flow_without_a_name_keeps_that_of_its_job_file_in_a_plan(tmp_path: Path) -> None:
    """Watermarks are kept under it."""
    document = 'version: 1\njobs: {a: {source: {connection: "env:A", sql: SELECT 1}}}'
    saved = PlanFile("nightly.yaml", ".", document, {}, {})

    assert saved.job_file_at(str(tmp_path / "plan.json")).name == "nightly"
