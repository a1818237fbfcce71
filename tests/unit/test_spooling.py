"""The files in which the rows of one statement wait: written, refused, found and removed."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mapper_dask.chunk.spooled import rows_of
from mapper_dask.chunk.task import ReadTask
from mapper_dask.connections.reference import reference
from mapper_dask.errors import ConfigurationError, PlanError, RunStoppedError, SpoolError
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.plan.saved_plan import SavedPlan, require_complete
from mapper_dask.run.spooling import Few, Intake, Spool, Spooler
from mapper_dask.schema.batches import BATCH_BYTES
from mapper_dask.schema.facts import SourceQuery
from mapper_dask.spool import folder as spool_folder
from mapper_dask.spool.folder import SpoolFolder, remove, remove_of, unused

SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string())])


@pytest.fixture(autouse=True)
def _all_are_let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    held: list[SpoolFolder] = []
    hold = SpoolFolder._hold
    monkeypatch.setattr(SpoolFolder, "_hold", lambda self: (held.append(self), hold(self)))
    yield
    for folder in held:
        folder.close()


def table(*numbers: int, schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.table({"n": numbers, "t": [f"t{n}" for n in numbers]}).cast(schema)


def numbers(start: int, stop: int) -> pa.Table:
    return table(*range(start, stop))


def spooler(parent: Path, size: int = 10, stop: threading.Event | None = None) -> Spooler:
    return Spooler(parent, "run", size, stop or threading.Event(), lambda _rows, _bytes: None)


def spooled(parent: Path, *tables: pa.Table, size: int = 10) -> Spool:
    intake = Intake(spooler(parent, size), SCHEMA)
    intake.begin()
    try:
        for rows in tables:
            intake.add(rows)
        found = intake.finish("state")
    except ConfigurationError:
        intake.spooler.remove()
        raise
    assert isinstance(found, Spool)
    return found


def task(found: Spool, **changes: Any) -> ReadTask:
    query = SourceQuery("SELECT 1", ())
    read = ReadTask(reference("env:SOURCE"), query, 10**6, spool=str(found.folder.path))
    return replace(read, **changes)


def read(spool: Spool) -> list[list[int]]:
    return [rows_of(task(spool), chunk)["n"].to_pylist() for chunk in spool.chunks]


# -- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batches", [[25], [7, 7, 11], [1] * 25, [10, 10, 5], [0, 11, 0, 14, 0], [24, 1]]
)
def test_rows_are_cut_into_files_in_their_order_however_they_come(tmp_path: Path, batches):
    at = [sum(batches[:place]) for place in range(len(batches) + 1)]

    found = spooled(tmp_path, *(numbers(a, b) for a, b in itertools.pairwise(at)))

    assert read(found) == [[*range(10)], [*range(10, 20)], [*range(20, 25)]]
    assert [(c.offset, c.limit) for c in found.chunks] == [(0, 10), (10, 10), (20, 5)]
    require_complete(found.chunks)


@pytest.mark.parametrize("rows", [0, 1, 10])
def test_rows_that_fit_a_chunk_are_held_and_nothing_is_written(tmp_path: Path, rows):
    intake = Intake(spooler(tmp_path), SCHEMA)
    intake.begin()
    if rows:
        intake.add(numbers(0, rows))

    found = intake.finish("state")

    assert isinstance(found, Few)
    assert pa.concat_tables(found.tables).num_rows == rows
    assert found.tables[0].schema == SCHEMA
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_comes_as_another_type_begins_another_file(tmp_path: Path):
    as_text = pa.schema([("n", pa.string()), ("t", pa.string())])

    found = spooled(tmp_path, numbers(0, 13), table(13, 14, schema=as_text), numbers(15, 20))

    kinds = [rows_of(task(found), chunk).schema.field("n").type for chunk in found.chunks]
    assert [c.limit for c in found.chunks] == [10, 3, 2, 5]
    assert kinds == [pa.int64(), pa.int64(), pa.string(), pa.int64()]


def test_a_file_has_no_more_bytes_than_a_function_is_shown(tmp_path: Path):
    wide = pa.table({"n": [1, 2, 3], "t": ["x" * (BATCH_BYTES // 2 - 1000)] * 3})

    found = spooled(tmp_path, wide, wide, size=100)

    assert [c.limit for c in found.chunks] == [2, 2, 2] or max(
        c.spooled.size for c in found.chunks
    ) < BATCH_BYTES + (1 << 20)
    assert sum(c.limit for c in found.chunks) == 6


def test_what_is_held_while_rows_are_written_does_not_grow_with_them(tmp_path: Path):
    batch, number = numbers(0, 100_000), 60
    pool = pa.default_memory_pool()
    intake = Intake(spooler(tmp_path, 30_000), SCHEMA)
    intake.begin()
    before, most = pool.bytes_allocated(), 0
    for _ in range(number):
        intake.add(pa.concat_tables([batch.slice(0, 1), batch.slice(1)]).combine_chunks())
        most = max(most, pool.bytes_allocated() - before)

    found = intake.finish(None)

    assert isinstance(found, Spool)
    assert sum(c.limit for c in found.chunks) == number * batch.num_rows
    assert most < 3 * batch.nbytes


def test_a_reading_that_begins_anew_leaves_nothing_of_the_first(tmp_path: Path):
    intake = Intake(spooler(tmp_path), SCHEMA)
    intake.begin()
    intake.add(numbers(0, 95))
    intake.begin()
    intake.add(numbers(100, 112))

    found = intake.finish(None)

    assert isinstance(found, Spool)
    assert read(found) == [[*range(100, 110)], [110, 111]]
    assert list(tmp_path.iterdir()) == [found.folder.path]


def test_a_stopped_run_writes_nothing_more(tmp_path: Path):
    stop = threading.Event()
    taking = spooler(tmp_path, stop=stop)
    taking.begin()
    taking.add(numbers(0, 25))
    stop.set()

    with pytest.raises(RunStoppedError):
        taking.add(numbers(25, 30))
    taking.remove()
    assert list(tmp_path.iterdir()) == []


# -- room and rights ---------------------------------------------------------------------------


class Full:
    """A file on a disk with room for so many bytes."""

    def __init__(self, file: Any, room: int, code: int) -> None:
        self._file, self._room, self._code = file, room, code

    def write(self, data: Any) -> int:
        self._room -= memoryview(data).nbytes
        if self._room < 0:
            raise OSError(self._code, os.strerror(self._code))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("room", [0, 100, 2_000])
def test_a_full_disk_names_the_folder_the_setting_and_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, room: int
):
    create = SpoolFolder.create
    monkeypatch.setattr(SpoolFolder, "create", lambda s, name: Full(create(s, name), room, code))

    with pytest.raises(ConfigurationError) as refused:
        spooled(tmp_path, numbers(0, 500), size=100)

    for part in (str(tmp_path), "spool-folder", " MB", "No row is loaded", "key_column"):
        assert part in str(refused.value)
    assert refused.value.details["field"] == "spool-folder"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="spool-folder: nothing can be written in"):
        spooled(tmp_path / "not" / "there", numbers(0, 20))


def test_files_are_their_owners_alone(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))

    assert stat.S_IMODE(found.folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in found.folder.path.iterdir()} == {0o600}
    assert "run" not in found.folder.path.name


# -- reading -----------------------------------------------------------------------------------


def last(found: Spool) -> Path:
    return found.folder.path / "00000001.arrow"


def gone(path: Path) -> None:
    path.unlink()


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def shared(path: Path) -> None:
    path.chmod(0o644)


def another(path: Path) -> None:
    path.write_bytes((path.parent / "00000000.arrow").read_bytes())


@pytest.mark.parametrize("spoil", [gone, flipped, shorter, longer, empty, linked, shared, another])
def test_a_file_that_is_not_as_it_was_written_gives_no_row(tmp_path: Path, spoil):
    found = spooled(tmp_path, numbers(0, 20))
    spoil(last(found))

    with pytest.raises(SpoolError, match="chunk 1") as refused:
        rows_of(task(found), found.chunks[1])

    assert "resume" in str(refused.value)
    assert read(replace_chunks(found, found.chunks[:1])) == [[*range(10)]]
    found.folder.close()
    assert SpoolFolder.found(tmp_path, "run", found.chunks) is None
    assert SpoolFolder.found(tmp_path, "run", found.chunks[:1]) is not None


def replace_chunks(found: Spool, chunks: tuple[Chunk, ...]) -> Spool:
    return Spool(found.folder, chunks, found.snapshot)


def test_rows_that_are_sent_along_are_checked_as_well(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))
    data = last(found).read_bytes()
    carried = task(found, spool=None, cargo=data)

    assert rows_of(carried, found.chunks[1])["n"].to_pylist() == [*range(10, 20)]
    with pytest.raises(SpoolError):
        rows_of(replace(carried, cargo=data[:-1]), found.chunks[1])


def test_a_reading_is_found_by_its_run_and_its_name_only(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))
    other = [replace(c, spooled=replace(c.spooled, reading="0" * 32)) for c in found.chunks]

    assert SpoolFolder.found(tmp_path, "run", found.chunks) is not None
    assert SpoolFolder.found(tmp_path, "another run", found.chunks) is None
    assert SpoolFolder.found(tmp_path, "run", other) is None
    assert SpoolFolder.found(tmp_path / "elsewhere", "run", found.chunks) is None


# -- removing ----------------------------------------------------------------------------------


def test_what_a_killed_coordinator_leaves_goes_and_what_is_used_or_whole_stays(tmp_path: Path):
    whole = spooled(tmp_path, numbers(0, 20))
    used = SpoolFolder.made(tmp_path, "at work", "1" * 32)
    dead = SpoolFolder.made(tmp_path, "dead", "2" * 32)
    whole.folder.close()
    dead.close()
    (tmp_path / "mapper-dask-spool-mine").mkdir()

    assert unused(tmp_path) == [dead.path]
    assert set(unused(tmp_path, seconds=-1)) == {dead.path, whole.folder.path}
    remove(unused(tmp_path))

    assert whole.folder.path.is_dir()
    assert used.path.is_dir()
    assert not dead.path.exists()
    used.close()


def test_a_folder_that_others_may_write_is_not_touched(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))
    found.folder.close()
    found.folder.path.chmod(0o777)

    assert unused(tmp_path, seconds=-1) == []
    remove_of(tmp_path, "run")
    assert found.folder.path.is_dir()
    assert SpoolFolder.found(tmp_path, "run", found.chunks) is None


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))
    found.folder.close()
    moved = tmp_path / "moved"
    shutil.move(found.folder.path, moved)
    found.folder.path.symlink_to(moved)

    remove_of(tmp_path, "run")

    assert (moved / "00000000.arrow").is_file()
    assert SpoolFolder.found(tmp_path, "run", found.chunks) is None


def test_where_nobody_can_hold_a_folder_only_age_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spool_folder, "LOCKS", False)
    dead = SpoolFolder.made(tmp_path, "dead", "2" * 32)

    assert unused(tmp_path) == []
    assert unused(tmp_path, seconds=-1) == [dead.path]
    dead.close()


# -- as data -----------------------------------------------------------------------------------


def test_a_chunk_of_a_file_comes_back_from_json(tmp_path: Path):
    found = spooled(tmp_path, numbers(0, 20))

    assert [Chunk.from_json(c.to_json()) for c in found.chunks] == list(found.chunks)
    assert "spooled" not in Chunk(0, ChunkKind.WHOLE).to_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reading", "../../etc"),
        ("reading", "0" * 31),
        ("reading", "A" * 32),
        ("reading", None),
        ("size", -1),
        ("crc32", "1"),
    ],
)
def test_what_the_ledger_says_of_a_file_is_checked(tmp_path: Path, name: str, value: object):
    stored = spooled(tmp_path, numbers(0, 20)).chunks[0].to_json()
    stored["spooled"][name] = value

    with pytest.raises(ConfigurationError, match=f"spooled.{name}"):
        Chunk.from_json(stored)


def test_files_of_two_readings_or_with_a_gap_are_no_plan(tmp_path: Path):
    first, second = spooled(tmp_path, numbers(0, 20)).chunks
    strange = replace(second, spooled=replace(second.spooled, reading="0" * 32))

    for chunks in ([first, strange], [first, replace(second, offset=11)], [second]):
        with pytest.raises(PlanError):
            require_complete(chunks)


def test_the_files_of_a_run_are_no_plan_for_another(tmp_path: Path):
    chunks = spooled(tmp_path, numbers(0, 20)).chunks
    stored = {
        "columns": [["n", "bigint"]], "keys": [], "strategy": "KEY_BASED", "chunk_size": 10,
        "total_rows": 20, "reason": "", "consistent": True, "target": None, "warnings": [],
        "sql": "SELECT 1", "chunks": [c.to_json() for c in chunks],
    }  # fmt: skip

    with pytest.raises(PlanError, match="read already"):
        SavedPlan.from_json(stored)
