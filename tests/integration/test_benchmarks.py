"""The benchmarks run, at a scale that measures nothing."""

from __future__ import annotations

import pytest

from tests.scripts import run_script


@pytest.mark.slow
def test_speed_verifies_every_way_and_prints_a_table():
    done = run_script(
        *("benchmarks/speed.py", "--rows", 6_000, "--rounds", 1),
        *("--chunk-size", 2_000, "--dask-rows", 1_500),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [(line[0], line[1], line[2]) for line in table[1:]] == [
        (f"| {workload}", way, rows)
        for workload in ("identity", "transform")
        for way, rows in (
            ("mapper_dask", "6,000"),
            ("COPY, one stream", "6,000"),
            ("Dask SQL", "1,500"),
        )
    ]


@pytest.mark.slow
def test_memory_prints_a_line_a_size():
    done = run_script("benchmarks/memory.py", "--rows", 4_000, 8_000, "--chunk-size", 1_000)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines] == ["| rows", "| 4,000", "| 8,000"]


def test_one_worker_is_refused_where_workers_are_measured():
    done = run_script("benchmarks/memory.py", "--rows", 1_000, "--chunk-size", 500, "--workers", 1)

    assert done.returncode == 1
    assert "no worker process" in done.stderr


@pytest.mark.slow
def test_rejects_verifies_every_kind_and_prints_a_table():
    done = run_script(
        *("benchmarks/rejects.py", "--rows", 6_000, "--rounds", 1, "--chunk-size", 2_000)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert kinds == ["| bad rows", "| marked", "| unfit", "| constraint", "| mixed", "| raised"]


def test_cancel_stops_and_prints_a_table():
    done = run_script("benchmarks/cancel.py", "--rounds", 1)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 1 | " in done.stdout
