"""Chunks whose rows are in a file, which holds exactly one reading of the query.

A file is read only if it belongs to this user alone and has the size and checksum that the ledger
has for it. So a file that was truncated, changed or planted is an error, and never rows.
"""

from __future__ import annotations

import json
import mmap
import os
import stat
import zlib
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from mapper_dask.errors import SpoolError
from mapper_dask.parallel_models import Chunk, ChunkKind, SpooledFile

SETTING = "spool-folder"
"""The setting that names the folder of such files."""

MANIFEST = "manifest.json"
"""The file that is written when all others are complete."""

REMEDY = "Nothing of this chunk is committed; resume the run: it reads the query again where it can"

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Flag with which a file is opened: fail if it is a symbolic link."""

NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Flag with which a file is opened: do not block if it is a pipe without a writer."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Permission bits that only the owner may have."""


def file_name(chunk_id: int) -> str:
    """Return the name of the file that holds a chunk's rows."""
    return f"{chunk_id:08d}.arrow"


def in_file(chunk: Chunk) -> bool:
    """Return whether a chunk's rows are in a file."""
    return chunk.kind is ChunkKind.SPOOLED


def why_not_own(found: os.stat_result, *, folder: bool) -> str:
    """Return why a file or folder is not this user's alone; empty when it is."""
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        return f"is no {'folder' if folder else 'file'} (a link is not followed)"
    if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & OTHERS):
        return "is not yours alone: others own it, or may read or write it"
    return ""


def mapped(folder: Path, chunk: Chunk) -> pa.Buffer:
    """Return the bytes of a chunk's file, mapped into memory.

    Raises
    ------
    SpoolError
        When it is missing, or is not this user's alone.
    """
    path = folder / file_name(chunk.chunk_id)
    try:
        with _opened(path) as file:
            why = why_not_own(os.fstat(file.fileno()), folder=False)
            if not why:
                return _bytes_of(file)
    except OSError as error:
        why = f"cannot be opened here ({error.strerror or error})"
    message = (
        f"chunk {chunk.chunk_id}: its file {path} {why}. Each worker must see the folder that "
        f"{SETTING} names, as the coordinator does. {REMEDY}"
    )
    raise SpoolError(message, chunk_id=chunk.chunk_id)


def _opened(path: Path) -> IO[bytes]:
    """Open a file; its owner is then checked by its descriptor, since a path may be replaced."""
    return os.fdopen(os.open(path, os.O_RDONLY | NO_LINK | NO_WAIT), "rb")


def _bytes_of(file: IO[bytes]) -> pa.Buffer:
    """Return the bytes of an open file."""
    if not os.fstat(file.fileno()).st_size:
        return pa.py_buffer(b"")
    return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def sees(folder: str, reading: str) -> bool:
    """Return whether this process can read the files of a reading."""
    try:
        with _opened(Path(folder) / MANIFEST) as file:
            own = not why_not_own(os.fstat(file.fileno()), folder=False)
            return own and json.loads(file.read()).get("reading") == reading
    except (OSError, ValueError, AttributeError):
        return False


def fault_of(data: Any, expected: SpooledFile | None) -> str:
    """Return what is wrong with a file's bytes; empty when they are as written."""
    if expected is None:
        return "is known to nobody"
    size = memoryview(data).nbytes
    if size != expected.size:
        return f"has {size:,} bytes, {expected.size:,} were written"
    if zlib.crc32(data) != expected.crc32:
        return "is damaged: its checksum is not that of what was written"
    return ""
