"""What a bare machine lacks is told with the way to get it, and nothing is asked of a full one."""

from __future__ import annotations

import errno
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from mapper_dask.workers import startable
from mapper_dask.workers.startable import why_not_startable
from tests import machine
from tests.scripts import ROOT


def lock_that_fails(error):
    """Return the context of processes of a machine that has no semaphores."""

    class Context:
        def Lock(self):  # noqa: N802 - multiprocessing's name
            raise error

    return Context


REFUSALS = {
    "read-only": OSError(errno.EROFS, os.strerror(errno.EROFS)),
    "full": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "not allowed": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    "not mounted": FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)),
    "no such call": ImportError("This platform lacks a functioning sem_open implementation"),
}


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
def test_why_no_process_can_be_started_is_one_sentence_and_a_remedy(monkeypatch, error):
    monkeypatch.setattr(startable, "get_mp_context", lock_that_fails(error))
    why = why_not_startable()

    assert "no worker process can be started here" in why
    assert (getattr(error, "strerror", None) or str(error)) in why
    assert "--tmpfs /dev/shm" in why
    assert "\n" not in why


def test_a_script_from_standard_input_starts_no_process(monkeypatch):
    """Each would look for a file of that name, and die."""
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>", raising=False)

    assert "Save it as a file" in why_not_startable()


def test_where_no_terminal_can_be_opened_that_is_said(monkeypatch):
    def refused():
        raise OSError(errno.ENODEV, "out of pty devices")

    monkeypatch.setattr(pty, "openpty", refused)
    machine.no_terminal.cache_clear()
    told = machine.no_terminal()
    machine.no_terminal.cache_clear()

    assert "out of pty devices" in told
    assert "/dev/pts" in told


def test_where_git_or_a_clone_is_missing_that_is_said(monkeypatch, tmp_path):
    machine.no_git.cache_clear()
    assert "apt-get install git" in machine.no_git(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    machine.no_git.cache_clear()
    assert "apt-get install git" in machine.no_git(ROOT)
    machine.no_git.cache_clear()


def test_no_scheduler_or_worker_of_ours_listens_on_dasks_usual_port():
    """With ``--no-dashboard`` alone they do, on every address."""
    pages = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.py")]
    bare = re.compile(r"--no-dashboard(?!\W+--dashboard-address|\`)")
    found = {p.name for p in pages if p.name != "test_machine.py" and bare.search(p.read_text())}
    assert found == set()


def test_the_tests_keep_ipython_and_matplotlib_out_of_the_home():
    places = [Path(os.environ[name]) for name in machine.FOLDERS]
    assert not [place for place in places if place.is_relative_to(Path.home())]
