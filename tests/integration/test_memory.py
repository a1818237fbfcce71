"""A worker's peak memory does not grow with the table; benchmarks/memory.py measures it large."""

from __future__ import annotations

import importlib.util
import re
import sys

import pandas as pd
import pytest

from tests.database import Databases
from tests.scripts import ROOT, run_script

FEW, MANY, CHUNK = 40_000, 400_000, 4_000

LEAK = 8_000_000
"""Bytes a chunk: two workers then keep about 200 MB each of 50 chunks, far beyond any noise."""

HUGE = 50 << 20
"""Bytes of a huge row."""

kept: list[bytes] = []


@pytest.fixture(scope="module")
def memory():
    """The benchmark as a module, importable by name in the worker processes too."""
    spec = importlib.util.spec_from_file_location("memory", ROOT / "benchmarks" / "memory.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["memory"]


def leaking(frame: pd.DataFrame) -> pd.DataFrame:
    kept.append(b"x" * LEAK)
    return frame


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory():
    done = run_script("benchmarks/memory.py", "--rows", FEW, MANY, "--chunk-size", CHUNK, "--check")

    assert done.returncode == 0, done.stdout + done.stderr
    assert [row for row, _ in peaks(done.stdout)] == [FEW, MANY]
    assert "bounded" in done.stdout


@pytest.mark.slow
def test_the_check_finds_a_leak(memory, databases: Databases):
    few = memory.Measurement(FEW, 1.0, (250_000_000, 250_000_000))

    leaked = memory.measure(
        databases.source.url, MANY // 2, chunk_size=CHUNK, workers=2, function=leaking
    )

    peak, allowed = memory.growth([few, leaked])
    assert peak > allowed


def test_allowance_is_15_percent_and_20_mb_over_the_smallest(memory):
    small = memory.Measurement(1, 1.0, (100_000_000, 90_000_000))
    large = memory.Measurement(2, 1.0, (134_000_000, 120_000_000))

    assert memory.growth([large, small]) == pytest.approx((134, 135))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chunk_size", "way", "rows"),
    [(1000, "cut", 8), ("auto", "cut", 8), (1000, "once", 16)],
)
def test_a_few_huge_rows_take_no_more_than_a_few_of_them(
    databases: Databases, chunk_size, way, rows
):
    """Rows of 50 MB; eight held all at once, with what becomes of them, took 1,400 MB."""
    table = "CREATE TABLE huge (id bigint PRIMARY KEY, v text, size bigint)"
    databases.source.execute(table)
    databases.source.execute("ALTER TABLE huge ALTER v SET STORAGE EXTERNAL")
    databases.source.execute(
        "INSERT INTO huge SELECT g, repeat('0123456789abcdef', 50 * 65536) "
        f"FROM generate_series(1, {rows}) g"
    )
    databases.target.execute(table)

    done = run_script(
        "tests/integration/huge_rows.py",
        databases.source.url,
        databases.target.url,
        chunk_size,
        way,
    )

    assert done.returncode == 0, done.stderr
    moved, peak = map(int, done.stdout.split())
    assert moved == rows
    assert databases.target.fetch("SELECT count(*), min(size), max(size) FROM huge") == [
        (rows, HUGE, HUGE)
    ]
    assert peak < 950


def peaks(text: str) -> list[tuple[int, list[int]]]:
    """Return rows and the workers' peaks in MB of each line of the table."""
    lines = re.findall(r"^\| ([\d,]+) \|.*\| ([\d, ]+) \|$", text, re.MULTILINE)
    return [
        (int(rows.replace(",", "")), [int(p) for p in each.split(", ")]) for rows, each in lines
    ]
