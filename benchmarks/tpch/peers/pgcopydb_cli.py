"""pgcopydb: two tables, the halves of lineitem, by two COPY processes. Its start is counted.

It runs VACUUM ANALYZE on the targets too, with no way to leave it out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tpch.lineitem import half_tables
from benchmarks.tpch.peers.protocol import Move, asked, report

FILTER = "[include-only-table]\n"


def pgcopydb(program: str, move: Move, folder: Path) -> None:
    filters = folder / "filters.ini"
    halves = "".join(f"public.{half}\n" for half in half_tables(move.table))
    filters.write_text(FILTER + halves, encoding="ascii")
    done = subprocess.run(
        [program, "copy", "table-data", "--source", move.source, "--target", move.sink,
         "--dir", str(folder / "work"), "--filters", str(filters), "--table-jobs", "2",
         "--index-jobs", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit((done.stdout + done.stderr)[-1500:])


def run() -> None:
    move = asked()
    program = shutil.which("pgcopydb")
    if program is None:
        sys.exit("pgcopydb is not installed; on Debian: apt install pgcopydb")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\S+)", said.stdout + said.stderr)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        pgcopydb(program, move, Path(folder))
        seconds = time.perf_counter() - started
    report(seconds, {"pgcopydb": found[1] if found else "?"})


if __name__ == "__main__":
    run()
