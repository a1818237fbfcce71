"""The five jobs from one file, by the command line: killed anywhere, finished by ``resume``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database import Databases
from tests.fault.flow_of_flights import TABLES, stage
from tests.fault.gate import closed_gate
from tests.fault.test_killed_flows import KILLED_AT, RUN, assert_as_undisturbed, states

FILE = Path(__file__).with_name("flights.yaml")


def begun(databases: Databases, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command line in a folder of its own."""
    variables = {
        **os.environ,
        "SOURCE": str(databases.source.url),
        "TARGET": str(databases.target.url),
        "SCHEMA": "killed",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mapper_dask.cli", *arguments, "--quiet"], cwd=folder, env=variables,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("table", KILLED_AT)
def test_a_job_file_that_was_killed_is_finished_by_the_command_line(
    databases: Databases, tmp_path: Path, table: str
) -> None:
    stage(databases, "killed", "calm")
    command = ("run", str(FILE), "--run-id", RUN, "--workers", "2")
    with (
        closed_gate(databases.target, f"killed.{table}") as gate,
        begun(databases, tmp_path, *command) as running,
    ):
        gate.crowd(1, lambda: running.poll() is not None)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert states(databases.target).items() >= KILLED_AT[table].items()

    with begun(databases, tmp_path, "resume", RUN, "--ledger", "env:TARGET") as resuming:
        said, errors = resuming.communicate()

    assert resuming.returncode == 0, said + errors
    assert states(databases.target) == dict.fromkeys(TABLES, "SUCCEEDED")
    assert_as_undisturbed(databases)
