"""Workers of all kinds that join a cluster: cut off, of another version, late, through a cable."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parents[2]

GUARD = 120.0
"""Seconds after which what is waited for is not coming any more."""

HIDDEN = "import sys\nsys.modules['mapper_dask'] = None\n"
OLD = "import mapper_dask\nmapper_dask.__version__ = '0.0.1'\n"
"""What a worker does first to have no library, or another version of it."""


@contextlib.contextmanager
def joining(
    client: Client,
    name: str,
    *,
    environment: Mapping[str, str] | None = None,
    preload: str = "",
    scheduler: str = "",
    folder: Path,
) -> Iterator[str]:
    """Let a worker process with one thread join; lend its address.

    Parameters
    ----------
    environment
        What its environment has more, or otherwise.
    preload
        What it does before anything else.
    scheduler
        Where it finds the scheduler, if elsewhere than the client does.
    """
    command = [
        sys.executable, "-m", "distributed.cli.dask_worker", scheduler or client.scheduler.address,
        "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard",
        "--dashboard-address", "127.0.0.1:0", "--name", name,
        "--local-directory", str(folder / name),
    ]  # fmt: skip
    if preload:
        file = folder / f"{name}_first.py"
        file.write_text(preload, "utf-8")
        command += ["--preload", str(file)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            yield address_of(client, name)
        finally:
            worker.kill()


def address_of(client: Client, name: str) -> str:
    """Wait for a worker and return its address."""
    waited = guarded()
    while True:
        for address, info in client.scheduler_info(n_workers=-1)["workers"].items():
            if info["name"] == name:
                return str(address)
        assert not waited(), f"worker {name} did not join"


def wait_for_workers(client: Client, number: int) -> None:
    """Wait until a cluster has exactly so many workers."""
    waited = guarded()
    while len(client.scheduler_info(n_workers=-1)["workers"]) != number:
        assert not waited(), f"it never had {number} workers"


def guarded(seconds: float = GUARD) -> Callable[[], bool]:
    """Return what says whether waiting is in vain."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


@contextlib.contextmanager
def silence() -> Iterator[int]:
    """Lend a port where connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


def closed_port() -> int:
    """Return a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Cable:
    """A connection to a scheduler, or a socket of this machine by its path, that can be cut."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = int(self._server.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = _connected(self._upstream)
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    thread = threading.Thread(target=_pass_on, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def cut(self) -> None:
        """Break every connection; none can be made any more."""
        for end in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


def _connected(upstream: str) -> socket.socket:
    if upstream.startswith("/"):
        far = socket.socket(socket.AF_UNIX)
        far.connect(upstream)
        return far
    host, _, port = upstream.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)))


def _pass_on(from_: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := from_.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
