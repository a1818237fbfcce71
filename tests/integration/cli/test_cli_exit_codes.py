"""The codes that processes end with, what they say then, and what they never say."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.fault.gate import closed_gate
from tests.integration.cli.workshop import JOB_FILE, PASSWORD, Workshop

LEDGER = ("--ledger", "env:TARGET")


def into_d(shop: Workshop) -> None:
    """Let the rows go where the gate stands."""
    shop.target.execute("ALTER TABLE goods RENAME TO d")
    shop.write(
        "shop.yaml", JOB_FILE.replace("target\n      table: goods", "target\n      table: d")
    )


def test_a_run_that_is_refused_moves_nothing_and_ends_in_2(shop: Workshop) -> None:
    shop.target.execute("ALTER TABLE goods DROP COLUMN name")
    refused = shop.run("run", "shop.yaml", "--json", "-q")
    assert (refused.code, refused.data["state"]) == (2, "refused")
    assert "no column 'name'" in refused.data["jobs"][0]["error"]


@pytest.mark.parametrize(
    "sql", ["SELECT nothing FROM goods", "SELECT * FROM nowhere", "SELECT * FROM goods WHERE"]
)
def test_a_query_that_the_database_does_not_understand_ends_in_2(shop: Workshop, sql: str) -> None:
    """An orchestrator tries again what ends in 1."""
    shop.write("shop.yaml", JOB_FILE.replace("table: goods", f"sql: {sql}", 1))
    refused = shop.run("run", "shop.yaml", "--json", "-q")
    assert (refused.code, refused.data["state"]) == (2, "refused")
    assert refused.data["jobs"][0]["error"].startswith("source_sql, ")


def test_codes_of_runs(shop: Workshop) -> None:
    assert shop.apart("run", "shop.yaml", "--run-id", "r", "-q").code == 0
    again = shop.run("run", "shop.yaml", "--run-id", "r", "--json", "-q")
    assert (again.code, again.data["state"]) == (0, "done"), "a run that is done is done"
    doubled = shop.run("run", "shop.yaml", "--json", "-q", "--sequential")
    assert (doubled.code, doubled.data["state"]) == (1, "failed")
    rejecting = JOB_FILE + "    execution: {reject_limit: 1000}\n"
    shop.write("rejecting.yaml", rejecting.replace("name: shop", "name: rejecting"))
    partial = shop.run("run", "rejecting.yaml", "--json", "-q", "--sequential")
    assert (partial.code, partial.data["state"]) == (3, "partial")
    assert shop.target.fetch("SELECT count(*) FROM goods") == [(1000,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "Missing argument"),
        (("run", "nowhere.yaml"), "cannot be read"),
        (("plan", "shop.yaml", "--job", "gods"), "'goods'"),
        (("run", "shop.yaml", "--set", "chunk-sise=5"), "chunk-size"),
        (("run", "shop.yaml", "--set", "chunk-size=none"), "chunk-size"),
        (("run", "shop.yaml", "--workers", "0"), "--workers"),
        (("run", "shop.yaml", "--scheduler", "nonsense"), "scheduler"),
        (("resume", "nope", *LEDGER), "no run 'nope'"),
        (("status",), "--ledger"),
        (("status", "--ledger", "env:NOT_SET"), "NOT_SET"),
        (("status", "--ledger", "TARGET"), "env:NAME"),
        (("clean", *LEDGER, "--older-than", "soon"), "30d"),
        (("rejects", "export", "r", *LEDGER, "-o", "out.xlsx"), "--format"),
        (("init", "--source", "env:SOURCE", "--table", "nowhere"), "does not exist"),
        (("unknown",), "unknown"),
        (("run", "shop.yaml", "--nonsense"), "--nonsense"),
    ],
)
def test_usage_and_configuration_end_in_2(
    shop: Workshop, arguments: tuple[str, ...], said: str
) -> None:
    answer = shop.run(*arguments)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1, "one line"
    as_json = shop.run(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.err == ""
    error = json.loads(as_json.out)["error"]
    assert set(error) == {"kind", "message", "field", "file", "line", "column"}
    assert said in error["message"]


def test_a_database_that_does_not_answer_fails(shop: Workshop) -> None:
    gone = "postgresql+psycopg2://u:" + PASSWORD + "@127.0.0.1:1/x"
    answer = shop.apart("plan", "shop.yaml", SOURCE=gone)
    assert (answer.code, answer.out) == (1, "")
    assert "Traceback" not in answer.err
    checked = shop.run("check", "shop.yaml", "--json", SOURCE=gone)
    assert checked.code == 2
    assert shop.run("check", "shop.yaml", "--debug", SOURCE=gone).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--ledger", "{url}"),
        ("status", "--ledger={url}"),
        ("run", "{url}"),
        ("run", "shop.yaml", "{url}"),
        ("resume", "r", "{url}"),
        ("run", "shop.yaml", "--set", "profiles.x.url={url}"),
        ("init", "--table", "t", "--source", "{url}", "--nonsense"),
        ("status", "--lodger={url}"),
        ("{url}",),
        ("rejects", "{url}"),
        ("run", "shop.yaml", "--scheduler", "{url}"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_url_with_a_password_is_refused_and_not_shown(
    shop: Workshop, arguments: tuple[str, ...], more: tuple[str, ...]
) -> None:
    url = f"postgresql://u:{PASSWORD}@h/x?password={PASSWORD}"
    answer = shop.run(*(argument.format(url=url) for argument in arguments), *more)  # checks it
    assert answer.code == 2, answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("how", [("--sequential",), ("--workers", "2")])
def test_a_signal_cancels_and_resume_goes_on(
    shop: Workshop, number: signal.Signals, how: tuple[str, ...]
) -> None:
    into_d(shop)
    with closed_gate(shop.target) as gate:
        running = shop.start("run", "shop.yaml", "--run-id", "r", "-q", "--json", *how)
        gate.crowd(1, lambda: running.poll() is not None)
        running.send_signal(number)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert json.loads(out)["error"]["kind"] == "Cancelled"
    assert "Traceback" not in err, err
    assert shop.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
    assert shop.run("status", "r", *LEDGER).code == 130
    assert shop.run("resume", "r", "shop.yaml", "--sequential").code == 0
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(1000, 1000)]


def test_cancel_stops_a_flow_of_another_process(shop: Workshop) -> None:
    into_d(shop)
    with closed_gate(shop.target) as gate:
        running = shop.start("run", "shop.yaml", "--run-id", "r", "-q", "--json", "--sequential")
        gate.crowd(1, lambda: running.poll() is not None)
        answer = shop.run("cancel", "r", *LEDGER, "--json")
        out, err = running.communicate(timeout=120)
    assert answer.data["cancelled"] == ["r.goods"], answer.err
    assert running.returncode == 130, out + err


def test_help_and_a_malformed_file_import_nothing_heavy(shop: Workshop) -> None:
    shop.write("bad.yaml", "version: 1\njobs:\n\tgoods: {}\n")
    script = (
        "import sys\n"
        "from mapper_dask.cli import main\n"
        "codes = [main(['--help']), main(['run', '--help']), main(['check', 'bad.yaml']),\n"
        "         main(['run', 'bad.yaml'])]\n"
        "heavy = {'pandas', 'numpy', 'dask', 'distributed', 'pyarrow', 'sqlalchemy', 'psycopg2'}\n"
        "print('CODES', codes, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [shop.command()[0], "-c", script], cwd=shop.folder, env=shop.environment, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert "CODES [0, 0, 2, 2] []" in done.stdout
    first, second = done.stderr.splitlines()
    assert first == second
    assert "bad.yaml:3:1" in first


def test_every_command_helps(shop: Workshop) -> None:
    from mapper_dask.cli.app import Commands

    listed = shop.run("--help").out
    for name in Commands.homes:
        answer = shop.run(name, "--help")
        assert answer.code == 0
        assert name in listed
    for path in (("rejects", "show"), ("rejects", "export"), ("rejects", "retry")):
        assert "JSON" in shop.run(*path, "--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_completes(shop: Workshop, shell: str) -> None:
    assert "_MAPPER_DASK_COMPLETE" in shop.run("completion", shell).out


def test_the_schema_is_a_schema(shop: Workshop) -> None:
    schema = shop.run("schema").data
    assert "jobs" in schema["properties"]
