"""What lists runs, settings and findings fits 80 columns: in a terminal of 80, and in a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from tests.integration.cli.workshop import JOB_FILE, Workshop

LEDGER = ["--ledger", "env:TARGET"]
AUTOMATIC = "0123456789abcdef" * 2
"""A name as runs get that are given none."""

ALL = [
    ["status", *LEDGER],
    ["status", AUTOMATIC, *LEDGER],
    ["status", f"{AUTOMATIC}.goods", *LEDGER],
    ["config", "--file", "shop.yaml"],
    ["config", "--doc"],
    ["clean", *LEDGER, "--older-than", "0s", "--dry-run"],
    ["check", "wrong.yaml"],
    ["rejects", "show", f"{AUTOMATIC}.goods", *LEDGER],
    ["rejects", "show", "failing.goods", *LEDGER],
    ["status", "failing.goods", *LEDGER],
    ["plan", "shop.yaml"],
    ["check", "shop.yaml"],
    ["report", AUTOMATIC, *LEDGER],
    ["report", "failing", *LEDGER],
    ["reconcile", AUTOMATIC, "--file", "shop.yaml"],
    ["run", "failing.yaml", "--sequential", "-q", "--run-id", f"{AUTOMATIC}-3"],
]

PROGRAM = """
import json, sys
from mapper_dask.cli import main
for arguments in json.loads(sys.argv[1]):
    print("$", " ".join(arguments), flush=True)
    main(arguments)
"""


@pytest.fixture
def busy(shop: Workshop) -> Workshop:
    """A workshop with runs of several names and ends, and a job file with much to say of."""
    picky = JOB_FILE.replace("priced", "picky").replace("      with: {factor: 3}\n", "")
    shop.write("shop.yaml", f"{picky}    execution: {{reject_limit: 50}}\n")
    shop.run("run", "shop.yaml", "--run-id", AUTOMATIC, "--sequential", "-q")
    failing = picky.replace("picky", "failing")
    shop.write("failing.yaml", failing)
    shop.run("run", "failing.yaml", "--run-id", "failing", "--sequential", "-q")
    wrong = JOB_FILE.replace("table: goods\n    transform", "table: gods\n    transform")
    shop.write("wrong.yaml", wrong.replace("name: shop", "name: wrong"))
    return shop


def shown(shop: Workshop, columns: int | None) -> str:
    """Return what the commands show in a terminal of so many columns; None: in a pipe."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, json.dumps(ALL)]
    environment = {k: v for k, v in shop.environment.items() if k not in ("COLUMNS", "LINES")}
    if columns is None:
        done = subprocess.run(
            command, cwd=shop.folder, env=environment, text=True, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here, such as where /dev/pts is missing: {error}")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command, cwd=shop.folder, env=environment, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    found = bytearray()
    try:
        while piece := os.read(master, 4096):
            found += piece
    except OSError:  # it has ended
        pass
    os.close(master)
    assert process.wait() == 0
    return found.decode().replace("\r\n", "\n")


def assert_fits(text: str, columns: int) -> None:
    for line in text.splitlines():
        longest = max(map(len, line.split()), default=0)
        assert len(line) <= columns or longest > columns or line.startswith("$"), line


@pytest.mark.parametrize("columns", [None, 80, 200])
def test_no_line_is_longer_than_the_terminal(busy: Workshop, columns: int | None) -> None:
    text = shown(busy, columns)
    assert_fits(text, columns or 80)
    of = {part.partition("\n")[0]: part for part in f"\n{text}".split("\n$ ")[1:]}
    assert len(of) == len(ALL)
    listed = of[" ".join(ALL[0])]
    assert "succeeded, 10 rejected" in listed
    assert f"{AUTOMATIC}.goods" in listed
    assert "SUCCEEDED" not in "".join(of[" ".join(command)] for command in ALL[:10])
    assert f"flow shop succeeded, 10 rejected, run {AUTOMATIC}" in " ".join(text.split())
    assert "rows rejected" in of[" ".join(ALL[7])]
    assert "give write_disposition='merge', or set such rows aside" in " ".join(
        of[" ".join(ALL[9])].split()
    )
    wide = [line for line in text.splitlines() if len(line) > 100 and not line.startswith("$")]
    assert bool(wide) is (columns == 200)
