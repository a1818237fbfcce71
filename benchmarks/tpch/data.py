"""lineitem: generated once into a cache, copied in, and cut into tables of its first rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from benchmarks.tpch.lineitem import create_table, create_targets, half_tables, source_table
from benchmarks.tpch.server import Server

PRIMARY_KEY = "PRIMARY KEY (l_orderkey, l_linenumber)"


def generated(scale: float, cache: Path) -> Path:
    """Return lineitem as CSV, from the cache where it is there."""
    folder = cache / f"tpch-{scale:g}"
    file = folder / "lineitem.csv"
    if file.exists():
        return file
    unfinished = cache / f"tpch-{scale:g}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    if not cache.exists():
        cache.mkdir(parents=True)
        (cache / ".gitignore").write_text("*\n", encoding="ascii")
    unfinished.mkdir()
    subprocess.run(
        [_generator(), "csv", f"--scale-factor={scale:g}", "--tables=lineitem",
         f"--output-dir={unfinished}"],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return file


def _generator() -> str:
    """Return tpchgen-cli of this environment, else of the path."""
    beside = Path(sys.executable).with_name("tpchgen-cli")
    found = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if found is None:
        sys.exit("tpchgen-cli is missing; it is in the extra 'bench': pip install -e '.[bench]'")
    return found


def load(server: Server, file: Path) -> int:
    """Copy lineitem into the source, create the targets, and return the number of rows."""
    server.execute("source", create_table("lineitem"))
    engine = sa.create_engine(server.url("source"), poolclass=sa.NullPool)
    with closing(engine.raw_connection()) as connection, file.open("rb") as lines:
        cursor = connection.cursor()
        cursor.copy_expert("COPY lineitem FROM STDIN (FORMAT csv, HEADER)", lines)
        rows = int(cursor.rowcount)
        connection.commit()
    name = source_table(rows)
    server.execute("source", f"ALTER TABLE lineitem RENAME TO {name}", *_finish(name))
    server.execute("target", *create_targets())
    return rows


def cut_prefixes(server: Server, rows: int, sizes: Iterable[int]) -> None:
    """Make a table of its own of the first rows, for each size."""
    whole = source_table(rows)
    for size in sorted({size for size in sizes if size < rows}):
        name = source_table(size)
        # A table is read from its beginning only while nobody else reads it.
        server.execute(
            "source",
            create_table(name),
            "SET synchronize_seqscans = off; "
            f"INSERT INTO {name} SELECT * FROM {whole} LIMIT {size}",
            *_finish(name),
        )


def cut_halves(server: Server, table: str) -> None:
    """Make tables of the two halves of a table, by row addresses, without an index.

    pgcopydb splits a table by a unique integer column only, and lineitem's key has two columns.
    """
    middle = f"'({middle_page(server, table)},0)'"
    for half, where in zip(half_tables(table), (f"< {middle}", f">= {middle}"), strict=True):
        fill = f"INSERT INTO {half} SELECT * FROM {table} WHERE ctid {where}"
        server.execute("source", create_table(half), fill, f"VACUUM (FREEZE, ANALYZE) {half}")


def middle_page(server: Server, table: str) -> int:
    """Return the page that halves a table."""
    (size,) = server.row(
        "source", f"SELECT pg_relation_size('{table}') / current_setting('block_size')::int"
    )
    return int(size) // 2


def _finish(table: str) -> list[str]:
    return [f"ALTER TABLE {table} ADD {PRIMARY_KEY}", f"VACUUM (FREEZE, ANALYZE) {table}"]
