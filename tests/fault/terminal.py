"""A terminal of its own for a program: Ctrl-C typed there reaches the program and its workers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

CTRL_C, CTRL_Z = b"\x03", b"\x1a"

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLOCK = re.compile(r" ([0-9]:[0-9]{2}:[0-9]{2}|[0-9]+ ms)$")

HANGS = 60
"""Seconds after which a program hangs that should stop; on a busy machine it may take its time."""


def _as_from_a_login() -> None:
    """Stand in the terminal's foreground, and heed what a shell's background jobs ignore."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """A program under way in a terminal, and all that it has shown."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        try:
            self._master, slave = pty.openpty()
        except OSError as error:
            pytest.skip(
                f"no terminal can be opened here, such as where /dev/pts is missing: {error}"
            )
        self._shown = bytearray()
        self.process = subprocess.Popen(
            list(command), cwd=folder, env={**(environment or os.environ), "TERM": "xterm"},
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=_as_from_a_login,  # noqa: PLW1509 - it takes no lock
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.seconds = 0.0
        """It took to stop."""

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the last of its programs has closed it
            while piece := os.read(self._master, 4096):
                self._shown += piece

    @property
    def text(self) -> str:
        """What was shown, a line each, without colours; a line that was drawn anew stands once."""
        plain = CONTROLS.sub("", self._shown.decode(errors="replace"))
        lines = [line.strip() for line in re.split(r"[\r\n]+|(?<!\S)(?=\S+ ━)", plain)]
        said = dict.fromkeys(CLOCK.sub("", line) for line in lines if line)
        return "\n".join(said)

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, reached: Callable[[], bool]) -> None:
        """Wait until something has happened, unless the program ends before that."""
        while not reached():
            assert not self.ended(), self.text

    def press(self, key: bytes, times: int = 1) -> int:
        """Type a key, again and again until the program has ended; return its exit code."""
        began = time.monotonic()
        for _ in range(times):
            os.write(self._master, key)
        return self.outcome(began)

    def outcome(self, began: float) -> int:
        """Return the program's exit code, and note how long it took since a moment."""
        try:
            code = self.process.wait(HANGS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it hangs after Ctrl-C:\n{self.text}") from None
        self.seconds = time.monotonic() - began
        return code

    def workers(self) -> list[int]:
        """Return the processes of its session that there are beside it."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.pid != self.process.pid and self._has(process.pid):
                    found.append(process.pid)
        return found

    def _has(self, pid: int) -> bool:
        return os.getsid(pid) == self.process.pid

    def wait_until_alone(self) -> None:
        """Wait until nothing is left of it: what reaps shared memory ends a moment later."""
        deadline = time.monotonic() + HANGS
        while left := self.workers():
            assert time.monotonic() < deadline, left

    def close(self) -> None:
        for pid in [*self.workers(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5)
        with contextlib.suppress(OSError):
            os.close(self._master)


@contextlib.contextmanager
def terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Lend a program in a terminal; nothing of it is left at the end."""
    opened = Terminal(command, folder, environment)
    try:
        yield opened
    finally:
        opened.close()
