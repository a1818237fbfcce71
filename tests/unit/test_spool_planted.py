"""What another user of the machine may have put in the place of a reading's files."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mapper_dask.chunk.spooled import rows_of
from mapper_dask.errors import ConfigurationError, SpoolError
from mapper_dask.run.spooling import Spool
from mapper_dask.spool import files as spooled
from mapper_dask.spool.files import sees
from mapper_dask.spool.folder import PREFIX, SpoolFolder, remove_of, unused
from tests.unit.test_spooling import numbers, task
from tests.unit.test_spooling import spooled as held

READING = "5" * 32


def written(parent: Path) -> Spool:
    """Return two files of ten rows each, which nobody holds."""
    found = held(parent, numbers(0, 20))
    found.folder.close()
    return found


def a_folder(place: Path, elsewhere: Path) -> None:
    del elsewhere
    place.mkdir()


def a_folder_of_all(place: Path, elsewhere: Path) -> None:
    del elsewhere
    place.mkdir()
    place.chmod(0o777)


def a_file(place: Path, elsewhere: Path) -> None:
    del elsewhere
    place.write_bytes(b"")


def a_link_to_a_folder(place: Path, elsewhere: Path) -> None:
    place.symlink_to(elsewhere)


def a_link_to_nothing(place: Path, elsewhere: Path) -> None:
    place.symlink_to(elsewhere / "nothing")


def a_pipe(place: Path, elsewhere: Path) -> None:
    del elsewhere
    os.mkfifo(place)


PLANTED = [a_folder, a_folder_of_all, a_file, a_link_to_a_folder, a_link_to_nothing, a_pipe]


@pytest.mark.parametrize("plant", PLANTED)
def test_no_reading_is_written_into_what_stands_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path, Path], None]
) -> None:
    """Its name cannot be guessed; here it is known."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: READING)
    parent, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    parent.mkdir()
    elsewhere.mkdir()
    named = written(parent).folder
    named.remove()
    plant(named.path, elsewhere)

    with pytest.raises(ConfigurationError, match="spool-folder: nothing can be written"):
        written(parent)

    assert list(elsewhere.iterdir()) == []
    assert not named.path.is_dir() or list(named.path.iterdir()) == []


def test_the_name_of_a_reading_is_never_the_same(tmp_path: Path) -> None:
    names = {written(tmp_path).folder.path.name for _ in range(20)}

    assert len(names) == 20
    assert all(name.startswith(PREFIX) and len(name) > len(PREFIX) + 32 for name in names)


def a_file_of_others(path: Path) -> None:
    path.chmod(0o604)


def a_file_of_a_group(path: Path) -> None:
    path.chmod(0o660)


def another_name(path: Path) -> None:
    kept = path.with_name("kept")
    path.rename(kept)
    path.symlink_to(kept)


def a_pipe_for_it(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def a_folder_for_it(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


SPOILT = [a_file_of_others, a_file_of_a_group, another_name, a_pipe_for_it, a_folder_for_it]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("name", ["00000001.arrow", "manifest.json"])
def test_nothing_is_read_that_is_not_ones_own(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    """A pipe is not waited for."""
    found = written(tmp_path)
    spoil(found.folder.path / name)

    assert SpoolFolder.found(tmp_path, "run", found.chunks) is None
    if name == "manifest.json":
        assert not sees(str(found.folder.path), found.folder.reading)
    else:
        with pytest.raises(SpoolError, match="spool-folder"):
            rows_of(task(found), found.chunks[1])


def test_what_another_user_owns_is_neither_read_nor_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = written(tmp_path)
    mine = os.geteuid()
    monkeypatch.setattr(spooled.os, "geteuid", lambda: mine + 1)

    assert SpoolFolder.found(tmp_path, "run", found.chunks) is None
    assert unused(tmp_path, ["run"], seconds=-1) == []
    remove_of(tmp_path, "run")
    assert found.folder.path.is_dir()
    with pytest.raises(SpoolError, match="is not yours alone"):
        rows_of(task(found), found.chunks[0])


def test_what_is_looked_at_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can move the folder away could put a file of his own there between two looks."""
    found = written(tmp_path)
    look = spooled.why_not_own

    def look_and_swap(seen: os.stat_result, *, folder: bool) -> str:
        path = found.folder.path / "00000001.arrow"
        path.rename(path.with_name("aside"))
        path.write_bytes(b"another's")
        return look(seen, folder=folder)

    monkeypatch.setattr(spooled, "why_not_own", look_and_swap)

    assert rows_of(task(found), found.chunks[1])["n"].to_pylist() == [*range(10, 20)]


def test_rights_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        found = written(tmp_path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(found.folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in found.folder.path.iterdir()} == {0o600}
