"""What it ran on: the machine, without its name, and the versions."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.tpch import limit
from benchmarks.tpch.server import SETTINGS, Server

LIBRARIES = ("mapper-dask", "dask", "pandas", "pyarrow", "pgpq", "psycopg2-binary", "sqlalchemy")


def facts(server: Server) -> dict[str, Any]:
    """Return what the document says beside the figures."""
    (postgresql,) = server.row("source", "SHOW server_version")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": _system(),
        "python": platform.python_version(),
        "postgresql": postgresql,
        "libraries": {name: version(name) for name in LIBRARIES},
        "settings": SETTINGS,
        "limit_client": limit.client(),
    }


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
