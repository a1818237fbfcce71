"""What a machine may lack, and how a test that needs it is skipped: with the way to get it.

A bare machine (a slim container, a build job) has no node, npm or compiler, may not write to
``/dev/shm``, and has no terminals. ``.ci/bare`` makes this machine such a one.
"""

from __future__ import annotations

import os
import pty
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mapper_dask.workers.startable import why_not_startable

NO_WORKERS = (
    "NO WORKER PROCESSES: Python cannot make a semaphore in /dev/shm. Needed: a writable /dev/shm "
    "(mount -t tmpfs none /dev/shm; Docker: --tmpfs /dev/shm)"
)
NO_TERMINAL = (
    "NO TERMINALS: no pseudo-terminal can be opened ({}). Needed: /dev/ptmx and /dev/pts "
    "(mount -t devpts -o ptmxmode=666 none /dev/pts)"
)
NO_GIT = "NO GIT: needs git, and a clone of the repository (apt-get install git; git clone)"

SIGNS = ("Nanny failed to start", "no worker process can be started here", "SemLock")
"""One of these stands in the failure of a test that needs workers, where there are none."""

NO_DASHBOARD = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""For `dask scheduler` and `dask worker`: both options, since without the second they listen for
HTTP on every address all the same, the scheduler on port 8787."""

FOLDERS = {"IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib"}
"""Variables that say where programs which the tests start keep what is theirs; else in the home."""


@cache
def no_workers() -> str:
    """Return why tests that need worker processes are skipped; empty where they run."""
    return NO_WORKERS if why_not_startable() else ""


@cache
def no_terminal() -> str:
    """Return why tests that need a terminal are skipped; empty where they run."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        return NO_TERMINAL.format(error.strerror or error)
    os.close(ours)
    os.close(theirs)
    return ""


@cache
def no_git(root: Path) -> str:
    """Return why tests that ask git are skipped; empty where they run."""
    return "" if shutil.which("git") and (root / ".git").exists() else NO_GIT


@contextmanager
def folders_of_their_own() -> Iterator[None]:
    """Keep what IPython and Matplotlib would leave in the home in a folder that goes."""
    with tempfile.TemporaryDirectory(prefix="mapper-dask-home-") as folder:
        chosen = {name: f"{folder}/{part}" for name, part in FOLDERS.items()}
        added = {name: path for name, path in chosen.items() if name not in os.environ}
        os.environ.update(added)
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]
