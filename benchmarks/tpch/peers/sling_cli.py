"""sling, its free command line: bulk COPY as CSV at both ends, by default. Its start is counted.

The wheel ``sling-linux-amd64`` carries the program; ``sling`` itself would fetch it when first run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import sling_linux_amd64

from benchmarks.tpch.peers.protocol import Move, asked, report


def move_rows(move: Move, home: str) -> None:
    environment = {
        **os.environ, "SLING_HOME_DIR": home, "SLING_DISABLE_TELEMETRY": "TRUE",
        "SLING_DIRECT_INSERT": "TRUE",  # else it loads a table of its own first, and copies that
        "SOURCE": f"{move.source_tcp}?sslmode=disable", "SINK": f"{move.sink_tcp}?sslmode=disable",
    }  # fmt: skip
    done = subprocess.run(
        [sling_linux_amd64.SLING_BIN, "run",
         "--src-conn", "SOURCE", "--src-stream", f"public.{move.table}",
         "--tgt-conn", "SINK", "--tgt-object", f"public.{move.target}", "--mode", "truncate"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit((done.stdout + done.stderr)[-1000:])


def run() -> None:
    move = asked()
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        move_rows(move, home)
        seconds = time.perf_counter() - started
    report(seconds, {"sling": version("sling-linux-amd64")})


if __name__ == "__main__":
    run()
