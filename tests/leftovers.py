"""What a test session must not leave behind: processes, sockets open to the network, folders."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

GRACE_SECONDS = 5
"""A worker process that was told to stop needs a moment on a busy machine."""

INTERPRETER_OWN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Helpers of Python's own, which end with the interpreter that started them."""


HOME = (
    ".cache/matplotlib",
    ".config/dask",
    ".config/matplotlib",
    ".ipython",
    ".jupyter",
    ".local/share/jupyter",
)
"""What libraries that are used here are known to leave in a user's home."""

SOCKETS = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
LISTENING = "0A"
LOOPBACK = re.compile(r"(0{16}FFFF0{4})?[0-9A-F]{6}7F|0{24}01000000")
"""127.0.0.0/8, also as IPv6 has it, and ::1, as Linux shows them on little-endian machines."""


def in_the_home() -> list[str]:
    """Return which of those folders are there."""
    return [f"~/{folder}" for folder in HOME if (Path.home() / folder).exists()]


def public_listeners(processes: Iterable[psutil.Process] | None = None) -> list[str]:
    """Return listening sockets beyond the loopback, of this process and its children or others."""
    if processes is None and (now := _open_sockets()) is not None and now <= (OPEN_BEFORE or set()):
        return []  # to ask each process takes twenty times as long
    me = psutil.Process()
    asked = (me, *me.children(recursive=True)) if processes is None else processes
    return [
        f"{process.pid} {_name(process)} listens on {host}:{port}"
        for process in asked
        for host, port in _listening(process)
        if not ipaddress.ip_address(host).is_loopback
    ]


def _open_sockets() -> set[str] | None:
    """Return what listens beyond the loopback on this machine, None where Linux does not say."""
    try:
        lines = [line.split() for table in SOCKETS for line in table.read_text().splitlines()[1:]]
    except OSError:
        return None
    return {
        inode
        for _, address, _, state, _, _, _, _, _, inode, *_ in lines
        if state == LISTENING and not LOOPBACK.fullmatch(address.partition(":")[0])
    }


OPEN_BEFORE = _open_sockets()


def processes_left() -> list[str]:
    """Return the child processes that are still alive after a short grace."""
    children = psutil.Process().children(recursive=True)
    own = [child for child in children if not _belongs_to_interpreter(child)]
    _, alive = psutil.wait_procs(own, timeout=GRACE_SECONDS)
    return [f"{process.pid} {_name(process)} is still running" for process in alive]


def _listening(process: psutil.Process) -> Iterator[tuple[str, int]]:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        for connection in process.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port


def _belongs_to_interpreter(process: psutil.Process) -> bool:
    return any(name in _name(process) for name in INTERPRETER_OWN)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120] or process.name()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return "(ended)"
