"""Keeps a password for the workers of the same user and host, until the process ends.

On Linux, an entry is an unnamed file in memory, which others read by the process's descriptor in
``/proc``. However the process ends, it is gone, without any cleaning. Elsewhere it is a file in a
private directory, which a shell removes when the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import psutil

PREFIX = "mapper-dask-"

IN_MEMORY = re.compile(r"(/proc/[0-9]+/fd/[0-9]+)/([0-9a-f]{32})")
"""An entry in memory: where it is found while its process lives, and its own name."""

WATCHER = 'trap "" INT HUP TERM; read -r _; rm -rf -- "$0"'
"""Waits until the pipe is closed that only the process holds, however it ends."""

_lock = threading.Lock()
_known: dict[str, str] = {}
"""What each entry holds that this process has made."""
_directories: dict[int, Path] = {}
_watchers: list[subprocess.Popen[bytes]] = []


def entry(text: str) -> str:
    """Return the name of an entry that holds a text, for processes of this user on this host."""
    with _lock:
        for name, known in _known.items():
            if known == text and _is_readable(name):
                return name
        name = _in_memory(text) or _in_a_file(text)
        _known[name] = text
        return name


def text(name: str) -> str:
    """Return what an entry holds; raise OSError where it cannot be read, or not any more."""
    if name in _known:
        return _known[name]
    found = IN_MEMORY.fullmatch(name)
    if found is None:
        return Path(name).read_text(encoding="utf-8")
    # Another process may go by that number now, and its file be anything.
    if not _is(found[1], found[2]):
        raise FileNotFoundError(name)
    return Path(found[1]).read_text(encoding="utf-8")


def _is(place: str, token: str) -> bool:
    """Return whether an open file is the one of that name in memory."""
    return str(Path(place).readlink()).startswith(f"/memfd:{PREFIX}{token}")


def _is_readable(name: str) -> bool:
    """Return whether an entry that was made here can be read by others."""
    found = IN_MEMORY.fullmatch(name)
    if found is None:
        return Path(name).exists()
    try:  # a forked child's entries are its own: its parent's may go first
        mine = f"/proc/{os.getpid()}/" in found[1] and _others_may_look()
        return mine and _is(found[1], found[2])
    except OSError:
        return False


def _others_may_look() -> bool:
    """Return whether this process's descriptors are its user's; not once it gave up being root."""
    try:
        return Path(f"/proc/{os.getpid()}/fd").stat().st_uid == os.geteuid()
    except OSError:
        return False


def _in_memory(text: str) -> str | None:
    """Return an entry in memory, None where the system cannot have others read it."""
    if not hasattr(os, "memfd_create") or not _others_may_look():
        return None
    token = secrets.token_hex(16)
    try:
        descriptor = os.memfd_create(f"{PREFIX}{token}")
    except OSError:
        return None
    place = f"/proc/{os.getpid()}/fd/{descriptor}"
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        if Path(place).read_text(encoding="utf-8") == text:
            return f"{place}/{token}"  # left open: the entry lives as long as its descriptor
    except OSError:
        pass  # no /proc here
    os.close(descriptor)
    return None


def _in_a_file(text: str) -> str:
    path = _private_directory() / secrets.token_hex(16)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return str(path)


def _private_directory() -> Path:
    """Return this process's own directory (mode 0700), in memory where the system has one."""
    pid = os.getpid()
    if pid not in _directories:
        base = _runtime_directory()
        _sweep(base)
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{pid}-", dir=base))
        _directories[pid] = path
        atexit.register(_remove_own, pid, path)
        with contextlib.suppress(OSError):  # no shell here: the next such process sweeps
            _watchers.append(
                subprocess.Popen(  # noqa: S603 - the path is our own
                    ["/bin/sh", "-c", WATCHER, str(path)],
                    stdin=subprocess.PIPE,
                    start_new_session=True,
                )
            )
    return _directories[pid]


def _remove_own(pid: int, path: Path) -> None:
    if os.getpid() == pid:  # a forked child must not take its parent's
        shutil.rmtree(path, ignore_errors=True)


def _runtime_directory() -> Path:
    for candidate in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108
        if candidate and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    return Path(tempfile.gettempdir())


def _sweep(base: Path) -> None:
    """Remove what processes that were killed left behind."""
    for path in base.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if (
                owner.isdigit()
                and path.stat().st_uid == os.getuid()
                and not psutil.pid_exists(int(owner))
            ):
                shutil.rmtree(path, ignore_errors=True)
