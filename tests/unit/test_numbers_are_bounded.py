"""Whatever stands where a number is wanted is read, or refused with one clear error, at once."""

from __future__ import annotations

import contextlib
import json
import random
import time
from decimal import Decimal
from pathlib import Path

import pytest

from mapper_dask import Incremental, MapperJob, ParallelProcessor, jobfile, settings
from mapper_dask.cli import main
from mapper_dask.dialects.oracle.literals import literal as oracle
from mapper_dask.dialects.postgresql.literals import literal as postgresql
from mapper_dask.errors import ConfigurationError, JobFileError, MapperError
from mapper_dask.flow import Flow, FlowJob
from mapper_dask.plan.params import with_values

SLOW = 5.0
"""Seconds beyond which something counts every digit; each takes milliseconds."""


def texts() -> list[str]:
    """Return a hundred ways to write a number, or what nearly is one: each field is shown all."""
    draw = random.Random(3)
    made = ["1e999", "-1e999", "1e-999", "1e99999999999999999999", "1E+999999999", "1e-99999999999",
            "-0", "-0.0", "0", ".nan", ".inf", "-.inf", "NaN", "Infinity", "1_000", "0x1F", "0o17",
            "0x" + "f" * 40_000, "9" * 1_001, "9" * 30_000, "-" + "9" * 40_000, "1." + "3" * 30_000,
            "9" * 30_000 + "e9", "1e" + "9" * 30_000, "true", "null", "~", "''", "'5'", "[1]", "{}",
            "!!binary aGk=", "2024-01-01", "1 2", "--1", "1e", "e1", "٣", "1e400",
            "9" * 400]  # fmt: skip
    while len(made) < 100:
        digits = "".join(draw.choices("0123456789", k=draw.choice([1, 3, 19, 20, 40, 310, 5_000])))
        power = draw.choice(
            ["", "", f"e{draw.randrange(-400, 400)}", f"E+{draw.randrange(10**12)}"]
        )
        point = draw.choice(["", ".", ".5", f".{digits}"])
        made.append(f"{draw.choice(['', '-', '+'])}{digits}{point}{power}")
    return made


TEXTS = texts()

FIELDS = {
    "size": "    chunking: {size: %s}",
    "reject_limit": "    execution: {reject_limit: %s}",
    "retries": "    execution: {retries: %s}",
    "lock_timeout": "    execution: {lock_timeout: %s}",
    "max_workers": "    execution: {max_workers: %s}",
    "overlap": "      incremental: {column: id, overlap: %s}",
    "start": "      incremental: {column: id, start: %s}",
    "start, decimal": "      incremental: {column: id, start: {decimal: %s}}",
    "param": "      params: {x: %s}",
    "param, decimal": "      params: {x: {decimal: %s}}",
    "param, float": "      params: {x: {float: %s}}",
    "param, integer": "      params: {x: {integer: %s}}",
    "constant": "    transform: {constant: {x: %s}}",
}
TOP = {
    "version": ("version: 1", "version: %s"),
    "max_parallel_jobs": ("version: 1", "version: 1\nmax_parallel_jobs: %s"),
    "settings": ("version: 1", "version: 1\nsettings: {chunk-size: %s}"),
    "settings, seconds": ("version: 1", "version: 1\nsettings: {lock-timeout: %s}"),
}
FILE = """version: 1
jobs:
  copy:
    source:
      connection: env:SOURCE
      sql: SELECT :x
{inner}
    target: {connection: env:TARGET, table: t, write_disposition: merge}
"""


def document(field: str, text: str) -> str:
    if field in TOP:
        old, new = TOP[field]
        return FILE.replace("{inner}\n", "").replace(old, new.replace("%s", text))
    line = FIELDS[field].replace("%s", text)
    if line.startswith("      "):
        return FILE.replace("{inner}", line)
    return FILE.replace("{inner}\n", "") + line + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("field", [*FIELDS, *TOP])
def test_a_job_file_is_read_or_refused_with_its_place(tmp_path: Path, monkeypatch, field):
    monkeypatch.setenv("SOURCE", "postgresql:///s")
    monkeypatch.setenv("TARGET", "postgresql:///t")
    path = tmp_path / "job.yaml"
    begun = time.monotonic()
    for text in TEXTS:
        path.write_text(document(field, text), encoding="utf-8")
        try:
            jobfile.read(path)
        except JobFileError as error:
            assert "job.yaml:" in str(error), text[:40]  # noqa: PT017
            assert len(str(error)) < 5_000  # noqa: PT017
    assert time.monotonic() - begun < SLOW * len(TEXTS) / 10


def numbers() -> list[object]:
    """Return what Python may pass for a number."""
    made: list[object] = [10**30_000, -(10**30_000), 10**400, 2**63, 2**64, 0, -0.0, -1, 1.5, True,
                          float("nan"), float("inf"), 1e308, 5e-324, b"1", bytearray(b"2"), "3",
                          "9" * 40_000, [10**30_000], {1: 2}, None, object(), Decimal("1e999999"),
                          Decimal("NaN"), Decimal("sNaN"), Decimal("-0"), 1j]  # fmt: skip
    draw = random.Random(4)
    while len(made) < 100:
        size = draw.choice([8, 64, 200, 4_000, 50_000])
        number = draw.getrandbits(size) * draw.choice([1, -1])
        made.append(draw.choice([number, Decimal(draw.randrange(9)).scaleb(size), str(number % 7)]))
    return made


NUMBERS = numbers()


def job(**fields) -> MapperJob:
    return MapperJob(source_conn="env:S", source_sql="SELECT 1", target_conn="env:T",
                     target_table="t", write_disposition="merge", **fields)  # fmt: skip


def flow(**fields) -> Flow:
    incremental = Incremental(column="id", **fields)
    return Flow(name="f", jobs=(FlowJob(name="j", job=job(), incremental=incremental),))


MAKERS = {
    "chunk_size": lambda n: job(chunk_size=n),
    "reject_limit": lambda n: job(reject_limit=n),
    "max_workers": lambda n: ParallelProcessor(max_workers=n, enable_parallel=False),
    "processor's chunk_size": lambda n: ParallelProcessor(chunk_size=n, enable_parallel=False),
    "retries": lambda n: ParallelProcessor(retries=n, enable_parallel=False),
    "lock_timeout": lambda n: ParallelProcessor(lock_timeout=n, enable_parallel=False),
    "overlap": lambda n: flow(overlap=n),
    "setting": lambda n: settings.checked({"chunk-size": n}, "here"),
    "setting, seconds": lambda n: settings.checked({"lock-timeout": n}, "here"),
    "param": lambda n: with_values("SELECT :x", {"x": n}, "postgres", postgresql),
    "param of Oracle's": lambda n: with_values("SELECT :x FROM t", {"x": n}, "oracle", oracle),
}


@pytest.mark.parametrize("field", MAKERS)
def test_a_value_of_python_is_taken_or_refused_by_name(field):
    begun = time.monotonic()
    for number in NUMBERS:
        try:
            MAKERS[field](number)
        except MapperError as error:
            assert isinstance(error, ConfigurationError)  # noqa: PT017
            assert error.details.get("field")  # noqa: PT017
            assert len(str(error)) < 1_000  # noqa: PT017
    assert time.monotonic() - begun < SLOW * len(NUMBERS) / 10


OPTIONS = {
    "--set": lambda text: ["config", "--set", f"chunk-size={text}"],
    "--set, seconds": lambda text: ["config", "--set", f"lock-timeout={text}"],
    "--older-than": lambda text: ["clean", "--ledger", "env:T", "--older-than", text],
}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_command_line_refuses_it_as_a_misuse(capsys, monkeypatch, option):
    monkeypatch.delenv("T", raising=False)
    for text in TEXTS:
        code: object = 0
        with contextlib.suppress(SystemExit):
            code = main(OPTIONS[option](text))
        told = capsys.readouterr()
        assert code in (0, 2, None), (text[:40], told.err[:300])
        assert "Traceback" not in told.err
        assert len(told.err) < 3_000


@pytest.mark.parametrize("name", ["CHUNK_SIZE", "LOCK_TIMEOUT", "CONNECTIONS__WAIT"])
def test_a_variable_is_read_or_refused_by_name(name):
    import dask

    for text in TEXTS:
        if "\0" in text or len(text) > 100_000:
            continue
        found = dask.config.collect_env({f"DASK_MAPPER_DASK__{name}": text})
        try:
            with dask.config.set(found):
                settings.resolve()
        except ConfigurationError as error:
            assert error.details["setting"]  # noqa: PT017
            assert len(str(error)) < 1_000  # noqa: PT017
    assert json.dumps(found) is not None
