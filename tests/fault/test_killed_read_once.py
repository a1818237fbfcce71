"""A killed run whose query is read once goes on from its files, or begins anew and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mapper_dask import ParallelProcessingResult
from mapper_dask.errors import ConfigurationError
from tests.database import Databases
from tests.fault.reading_once import (
    CHUNKS,
    ROWS,
    RUN,
    WAYS,
    assert_every_row_once,
    folders,
    job,
    killed,
    processor,
    stage,
)

STAGED = [way for way in WAYS if way != "append"]
AFTER = 7


def begun(databases: Databases, folder: Path, way: str) -> Path:
    """Kill a run under way; return the folder of its reading."""
    stage(databases)
    killed(databases, folder, way, AFTER)
    [left] = folders(folder)
    assert AFTER <= committed(databases) < CHUNKS
    return left


def committed(databases: Databases) -> int:
    [(number,)] = databases.target.fetch(
        "SELECT count(*) FROM mapper_dask_chunk WHERE state = 'PROCESSED'"
    )
    return number


def resumed(databases: Databases, folder: Path) -> ParallelProcessingResult:
    return processor(folder, enable_parallel=False).resume(
        RUN, target_conn=databases.target.url, source_conn=databases.source.url
    )


def readings(databases: Databases) -> list[tuple[str, ...]]:
    return databases.target.fetch(
        "SELECT DISTINCT bounds->'spooled'->>'reading' FROM mapper_dask_chunk"
    )


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_on_from_its_files_without_reading_anything_again(
    databases: Databases, tmp_path: Path, way: str
) -> None:
    begun(databases, tmp_path, way)
    before = readings(databases)
    databases.source.execute("DELETE FROM s WHERE id > 5")  # what a second reading would see

    result = resumed(databases, tmp_path)

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.consistent, "one statement has read all of it"
    assert_every_row_once(databases)
    assert readings(databases) == before
    assert folders(tmp_path) == []


def remove(left: Path) -> None:
    for path in left.iterdir():
        path.unlink()
    left.rmdir()


def remove_the_manifest(left: Path) -> None:
    (left / "manifest.json").unlink()


def flip_a_byte(left: Path) -> None:
    path = last_file(left)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_short(left: Path) -> None:
    path = last_file(left)
    path.write_bytes(path.read_bytes()[:-8])


def put_another_in_its_place(left: Path) -> None:
    last_file(left).write_bytes((left / "00000000.arrow").read_bytes())


def let_others_write(left: Path) -> None:
    last_file(left).chmod(0o666)


def make_it_a_link(left: Path) -> None:
    path = last_file(left)
    moved = left.parent / "elsewhere.arrow"
    path.rename(moved)
    path.symlink_to(moved)


def link_the_folder(left: Path) -> None:
    moved = left.parent / "elsewhere"
    left.rename(moved)
    left.symlink_to(moved)


def last_file(left: Path) -> Path:
    """Return the file of the chunk that comes last; it is not committed."""
    return left / f"{CHUNKS - 1:08d}.arrow"


SPOILT = [
    remove,
    remove_the_manifest,
    flip_a_byte,
    cut_short,
    put_another_in_its_place,
    let_others_write,
    make_it_a_link,
    link_the_folder,
]


@pytest.mark.parametrize("spoil", [remove, flip_a_byte])
@pytest.mark.parametrize("way", STAGED)
def test_staged_rows_are_thrown_away_and_all_is_read_anew_where_the_files_are_no_use(
    databases: Databases, tmp_path: Path, way: str, spoil: Callable[[Path], None]
) -> None:
    left = begun(databases, tmp_path, way)
    before = readings(databases)
    spoil(left)

    result = resumed(databases, tmp_path)

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.consistent
    assert any("read again" in note for note in result.warnings)
    assert_every_row_once(databases)
    assert readings(databases) != before


def test_rows_that_are_in_the_target_are_never_mixed_with_those_of_another_reading(
    databases: Databases, tmp_path: Path
) -> None:
    left = begun(databases, tmp_path, "append")
    done = committed(databases)
    kept = shutil.copytree(left, tmp_path / "kept")
    for spoil in SPOILT:
        spoil(left)

        with pytest.raises(ConfigurationError, match="Another reading") as refused:
            resumed(databases, tmp_path)

        assert "discard" in str(refused.value), spoil
        assert "spool-folder" in str(refused.value), spoil
        assert committed(databases) == done, spoil
        if left.is_symlink():
            left.unlink()
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(kept, left)

    assert resumed(databases, tmp_path).raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def test_damage_to_rows_that_are_loaded_already_stops_nothing(
    databases: Databases, tmp_path: Path
) -> None:
    left = begun(databases, tmp_path, "append")
    [(first,)] = databases.target.fetch(
        "SELECT min(chunk_id) FROM mapper_dask_chunk WHERE state = 'PROCESSED'"
    )
    (left / f"{first:08d}.arrow").unlink()

    assert resumed(databases, tmp_path).raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)


def test_an_append_that_has_committed_nothing_begins_anew(
    databases: Databases, tmp_path: Path
) -> None:
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD CHECK (id < 0)")
    refused = processor(tmp_path, enable_parallel=False).run(
        job(databases.source.url, databases.target.url, run_id=RUN)
    )
    assert not refused.succeeded
    [left] = folders(tmp_path)
    remove(left)
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")

    result = resumed(databases, tmp_path)

    assert result.raise_for_status().total_rows_successful == ROWS
    assert any("read again" in note for note in result.warnings)
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


@pytest.mark.parametrize("way", ["append", "atomic"])
def test_two_coordinators_share_one_reading(databases: Databases, tmp_path: Path, way: str) -> None:
    begun(databases, tmp_path, way)

    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: resumed(databases, tmp_path), range(2)))

    assert all(result.succeeded for result in done), [result.errors for result in done]
    assert_every_row_once(databases)
