"""Queries, tables, connections and functions that a job file names."""

from __future__ import annotations

import importlib
import sys

import cloudpickle
import pytest

from mapper_dask.ledger.stored_job import function_name
from tests.unit.jobfile.files import function_job, job_of, one, parsed, refused


# Queries.
def test_a_query_from_a_file_beside_it(tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "q.sql").write_text("SELECT '${NOT_A_VARIABLE}'", encoding="utf-8")
    source = "{connection: 'env:SOURCE', sql_file: queries/q.sql}"

    assert job_of(one(source=source), tmp_path).job.source_sql == "SELECT '${NOT_A_VARIABLE}'"


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("flights", 'SELECT * FROM "flights"'),
        ("public.flights", 'SELECT * FROM "public"."flights"'),
        ('public."a.b"', 'SELECT * FROM "public"."a.b"'),
        ('"a""b"', 'SELECT * FROM "a""b"'),
        ("Flights; DROP TABLE x", 'SELECT * FROM "Flights; DROP TABLE x"'),
    ],
)
def test_a_table_is_quoted(table, sql):
    source = f"{{connection: 'env:SOURCE', table: '{table}'}}"

    assert job_of(one(source=source)).job.source_sql == sql


def test_a_table_of_oracle_is_quoted_as_it_is_held_there(monkeypatch):
    monkeypatch.setenv("SOURCE", "oracle://db:1521/?service_name=x")
    source = "{connection: 'env:SOURCE', table: scott.emp}"

    assert job_of(one(source=source)).job.source_sql == 'SELECT * FROM "SCOTT"."EMP"'


@pytest.mark.parametrize("table", ["a.b.c", ".a", "a.", "a..b", '"a', '"a"b'])
def test_what_is_no_table_is_refused(table):
    said = refused(one(source=f"{{connection: 'env:SOURCE', table: '{table}'}}"))

    assert said.startswith("flow.yaml:4:47: jobs.one.source.table must be a name or schema.name")


def test_a_connection_that_is_not_there_is_refused_with_its_place(monkeypatch):
    monkeypatch.delenv("SOURCE")
    said = refused(one(source="{connection: 'env:SOURCE', table: t}"))

    assert said.startswith("flow.yaml:4:47: jobs.one.source.table environment variable SOURCE")


# Functions.
def with_module(folder, body, name="own_functions"):
    (folder / f"{name}.py").write_text(body, encoding="utf-8")
    importlib.invalidate_caches()


def test_a_function_of_the_files_folder_is_imported_when_the_flow_is_built(tmp_path):
    with_module(tmp_path, "def f(df, *, n): return df.assign(n=n)\n")
    file = parsed(function_job("own_functions:f", "{n: 3}"), tmp_path)
    assert "own_functions" not in sys.modules

    (made,) = file.flow().jobs

    assert made.job.transformation_logic.arguments == {"n": 3}
    assert function_name(made.job.transformation_logic).startswith("own_functions:f ")


def test_a_function_without_arguments_has_its_plain_name(tmp_path):
    with_module(tmp_path, "class A:\n    @staticmethod\n    def f(df): return df\n")

    made = job_of(function_job("own_functions:A.f"), tmp_path).job

    assert function_name(made.transformation_logic) == "own_functions:A.f"


@pytest.mark.parametrize(
    ("body", "function", "arguments", "said"),
    [
        ("", "own_functions:f", "", "function names 'f', which module own_functions does not have"),
        ("f = 1", "own_functions:f", "", "names 'f' of module own_functions, which is no function"),
        ("", "not_there:f", "", "names module not_there, which is neither in the folder"),
        ("", "own_functions.sub:f", "", "names module own_functions.sub, which is neither"),
        ("1 / 0", "own_functions:f", "", "whose import raised ZeroDivisionError: division by zero"),
        ("import not_there", "own_functions:f", "", "raised ModuleNotFoundError: No module named"),
        ("def f(:", "own_functions:f", "", "raised SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "own_functions:f", "", "whose import raised SystemExit: 3"),
        ("def f(df): ...", "own_functions:f", "{n: 1}", "got an unexpected keyword argument 'n'"),
        ("def f(df, n): ...", "own_functions:f", "", "missing a required argument: 'n'"),
    ],
)
def test_a_function_that_cannot_be_had_is_refused_with_its_place(
    tmp_path, body, function, arguments, said
):
    with_module(tmp_path, body)

    error = refused(function_job(function, arguments), tmp_path)

    line = "7:7" if arguments else "6:17"
    assert error.startswith(f"flow.yaml:{line}: jobs.one.transform.")
    assert said in error
    sys.modules.pop("own_functions", None)


def test_where_an_import_raised_is_told(tmp_path):
    with_module(tmp_path, "x = 1\n\nraise RuntimeError('of mine')\n")

    said = refused(function_job("own_functions:f"), tmp_path)

    assert said.endswith("raised RuntimeError: of mine (own_functions.py, line 3)")


def test_a_module_of_the_same_name_from_another_folder_is_not_taken(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        with_module(tmp_path / place, f"def f(df): return {place!r}\n")
    assert job_of(function_job("own_functions:f"), tmp_path / "one")

    said = refused(function_job("own_functions:f"), tmp_path / "two")

    assert "imported from another folder" in said


def test_an_installed_module_stays_where_it_is():
    job_of(function_job("json:loads", "{cls: null}"))

    assert "json" not in cloudpickle.list_registry_pickle_by_value()
