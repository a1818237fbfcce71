"""A query is to be read once, and its folder has no room, or cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database import Databases
from tests.fault.apart import MAY_MOUNT, WHY_NOT, mounting
from tests.fault.reading_once import (
    ROOT,
    RUN,
    WAYS,
    assert_every_row_once,
    folders,
    job,
    processor,
    stage,
    states,
)

SECRET = "hunter2-of-the-source"
disk = pytest.mark.skipif(not MAY_MOUNT, reason=WHY_NOT)

PLACES = {
    "a disk of 128 kB": pytest.param(["size=128k"], 0, marks=disk),
    "a disk of 400 kB": pytest.param(["size=400k"], 0, marks=disk),
    "a disk with room for no file": pytest.param(["size=64m,nr_inodes=3"], 0, marks=disk),
    "a disk with room for the folder alone": pytest.param(["size=64m,nr_inodes=2"], 0, marks=disk),
    "a disk with room for no folder": pytest.param(["size=64m,nr_inodes=1"], 0, marks=disk),
    "a disk that is only read": pytest.param(["size=64m,ro"], 0, marks=disk),
    "files of 1 kB at most": pytest.param([], 1_000),
    "files of 100 kB at most": pytest.param([], 100_000),
}


@pytest.mark.parametrize("way", ["append", "replace"])
@pytest.mark.parametrize(("mounted", "largest"), PLACES.values(), ids=PLACES)
def test_it_is_told_with_the_setting_and_nothing_is_left(
    databases: Databases, tmp_path: Path, way: str, mounted: list[str], largest: int
) -> None:
    stage(databases)
    source = databases.source.url.replace("postgres@", f"postgres:{SECRET}@")
    command = [
        *(mounting(tmp_path, *mounted) if mounted else []),
        *(sys.executable, "-m", "tests.fault.once_without_room", source),
        *(databases.target.url, str(tmp_path), way, str(largest)),
    ]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["field"] == "spool-folder"
    assert told["error"].startswith("spool-folder: ")
    assert str(tmp_path) in told["error"]
    assert told["left"] == []
    assert states(databases) == []
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]
    left = "SELECT count(*)::int FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%'"
    assert databases.target.fetch(left) == [(0,)]

    again = job(databases.source.url, databases.target.url, run_id=RUN, **WAYS[way])
    processor(tmp_path, enable_parallel=False).run(again).raise_for_status()
    assert_every_row_once(databases)
    assert folders(tmp_path) == []
