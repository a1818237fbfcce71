"""Job files that are wrong: one error each, with its place, and nothing of them is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapper_dask import jobfile
from mapper_dask.errors import ConfigurationError, JobFileError

MALFORMED = Path(__file__).parent / "malformed"
FILES = sorted(MALFORMED.glob("*.yaml"))
MODULE = "leaves_a_mark"
"""What the files name as a function's module; it writes a file when it is imported."""

SECRET = "hunter2"
ENVIRON = {
    "SOURCE": f"postgresql://me:{SECRET}@db/flights",
    "SECRET_URL": f"postgresql://me:{SECRET}@db/flights",
    "SECRET": SECRET,
}

HEAVY = ("pandas", "numpy", "pyarrow", "dask", "distributed", "sqlalchemy", "sqlglot", "psycopg2")

READ = """
import sys
from mapper_dask import jobfile
from mapper_dask.errors import JobFileError
try:
    jobfile.read(sys.argv[1], {"SECRET": "x", "SECRET_URL": "x://a:b@c"})
except JobFileError as error:
    print(error)
print(*sorted(sys.modules))
"""


@pytest.fixture(autouse=True)
def _no_mark(tmp_path, monkeypatch):
    """Nothing imports the module, though it could be: it leaves no mark."""
    path = tmp_path / "mark"
    monkeypatch.setenv("MARK", str(path))
    monkeypatch.syspath_prepend(str(MALFORMED))
    yield
    assert not path.exists()
    assert MODULE not in sys.modules


def refusal(path, environ=ENVIRON):
    with pytest.raises(JobFileError) as caught:
        jobfile.read(path, environ)
    return caught.value


def test_there_are_many():
    assert len(FILES) > 100
    assert {f.stem for f in FILES} == {f.stem for f in MALFORMED.glob("*.expected")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_malformed_file_gives_one_error_with_its_place(path):
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").rstrip("\n")
    line, column, _ = expected.split(":", 2)

    error = refusal(path)

    assert str(error) == f"{path}:{expected}"
    assert error.details["file"] == str(path)
    assert (error.details["line"], error.details["column"]) == (int(line), int(column))
    assert SECRET not in str(error) + repr(error.details)
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_place_is_in_the_file(path):
    lines = path.read_bytes().split(b"\n")
    details = refusal(path).details

    assert 1 <= details["line"] <= len(lines)
    assert 1 <= details["column"] <= len(lines[details["line"] - 1]) + 1


@pytest.mark.parametrize(
    "name", ["misspelt_key", "yaml_bomb", "cycle", "expression_import", "setting", "utf16"]
)
def test_reading_one_imports_nothing_heavy_and_nothing_of_the_user(name):
    path = MALFORMED / f"{name}.yaml"

    ran = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(MALFORMED)},
    )

    error, modules = ran.stdout.splitlines()
    assert error.startswith(f"{path}:")
    assert set(modules.split()) & {*HEAVY, MODULE} == set()


def test_the_module_would_leave_its_mark(tmp_path):
    made = tmp_path / "another"

    subprocess.run(
        [sys.executable, "-c", f"import {MODULE}"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(MALFORMED), "MARK": str(made)},
    )

    assert made.exists()


def test_a_file_that_is_too_large_is_not_parsed(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("version: 1\n" + "# more\n" * 20_000, encoding="utf-8")

    assert "has 140,011 bytes; a job file has at most" in str(refusal(path))


def test_a_text_that_is_too_large_is_not_parsed():
    with pytest.raises(JobFileError, match=r"^here:1:1: is too large"):
        jobfile.parse("#" * 200_000, path="here", directory=".", environ={})


@pytest.mark.parametrize(("make", "said"), [(None, "No such file"), ("dir", "Is a directory")])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path, make, said):
    path = tmp_path / "flow.yaml"
    if make:
        path.mkdir()

    error = refusal(path)

    assert str(error).startswith(f"{path}:1:1: cannot be read: {said}")


def test_the_error_is_bad_input():
    assert issubclass(JobFileError, ConfigurationError)


def test_the_first_error_from_the_top_is_told():
    text = "version: 1\njobs:\n  a:\n    source: {sql: 1}\n    chunking: {sise: 1}\n  B b: {}\n"

    with pytest.raises(JobFileError) as caught:
        jobfile.parse(text, path="f.yaml", directory=".", environ={})

    assert (
        str(caught.value)
        == "f.yaml:4:19: jobs.a.source.sql must be text, is a number: put it in quotes"
    )
