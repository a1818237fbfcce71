"""A password lies in the vault as long as its process lives, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mapper_dask.connections import vault
from tests.scripts import ROOT

SECRET = "postgresql://me:tr0ub4dor@h/d"

KEEPER = f"""
import os, sys
{{before}}
from mapper_dask.connections import vault
print(vault.entry({SECRET!r}), flush=True)
sys.stdin.read()
"""
WITHOUT_MEMORY = "del os.memfd_create"


@contextmanager
def keeper(folder: Path, before: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Lend a process that keeps the secret, and the name of the entry."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER.format(before=before)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_what_lay_in_memory(tmp_path: Path, sign: signal.Signals) -> None:
    with keeper(tmp_path) as (process, entry):
        assert vault.text(entry) == SECRET
        process.send_signal(sign)
        process.wait()
        with pytest.raises(OSError, match=r"."):
            vault.text(entry)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_shell_removes_the_file_where_there_is_no_such_memory(
    tmp_path: Path, sign: signal.Signals
) -> None:
    with keeper(tmp_path, WITHOUT_MEMORY) as (process, entry):
        assert vault.text(entry) == SECRET
        assert Path(entry).is_relative_to(tmp_path)
        process.send_signal(sign)
        process.wait()
        while list(tmp_path.iterdir()):
            pass


def test_no_file_of_another_process_is_taken_for_an_entry(tmp_path: Path) -> None:
    with keeper(tmp_path) as (process, entry):
        stolen = tmp_path / "stolen"
        stolen.write_text("not a URL", encoding="utf-8")
        with stolen.open(encoding="utf-8") as file:
            token = entry.rpartition("/")[2]
            for place in (f"/proc/{os.getpid()}/fd/{file.fileno()}", f"/proc/{process.pid}/fd/1"):
                with pytest.raises(FileNotFoundError):
                    vault.text(f"{place}/{token}")


def test_only_its_owner_reads_what_lies_in_memory() -> None:
    found = vault.IN_MEMORY.fullmatch(vault.entry(SECRET))
    assert found is not None
    assert Path(found[1]).stat().st_mode & 0o777 == 0o600
    assert Path(found[1]).parent.stat().st_mode & 0o077 == 0, "nobody else comes as far"


FORK = f"""
import os
from mapper_dask.connections import vault
mine = vault.entry({SECRET!r})
assert vault.entry({SECRET!r}) == mine
if os.fork() == 0:
    assert vault.entry({SECRET!r}).startswith(f"/proc/{{os.getpid()}}/")
    os._exit(0)
print(os.wait()[1])
"""


def test_a_forked_child_makes_entries_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert done.stdout.strip() == "0", done.stderr
