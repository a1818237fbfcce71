"""Job files that are right: what they say, and the flow that comes of them."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import sys
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest
import yaml

from mapper_dask import jobfile, settings
from mapper_dask.errors import ConfigurationError, JobFileError
from mapper_dask.flow import Flow, FlowJob
from mapper_dask.jobfile import models
from mapper_dask.ledger.stored_job import function_name
from mapper_dask.mapper_job import MapperJob
from mapper_dask.mapping import Transform
from mapper_dask.parallel_models import ChunkingStrategy

EXAMPLES = Path(__file__).parent / "examples"
ENVIRON = {"SOURCE": "postgresql://db/airline", "TARGET": "postgresql://db/warehouse"}


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch):
    """Forget what a test has imported from a folder of its own, and what was to go by value."""
    for name, url in ENVIRON.items():
        monkeypatch.setenv(name, url)
    known, path = set(sys.modules), list(sys.path)
    by_value = cloudpickle.list_registry_pickle_by_value()
    yield
    monkeypatch.undo()
    sys.path[:] = path
    for name in cloudpickle.list_registry_pickle_by_value() - by_value:
        cloudpickle.unregister_pickle_by_value(sys.modules.get(name) or ModuleType(name))
        if name not in known:
            sys.modules.pop(name, None)
    importlib.invalidate_caches()


def parsed(text, directory=".", **environ):
    return jobfile.parse(
        text, path="flow.yaml", directory=str(directory), environ={**ENVIRON, **environ}
    )


def one(section="", source="{connection: 'env:SOURCE', sql: SELECT 1 AS id}"):
    return f"version: 1\njobs:\n  one:\n    source: {source}\n{section}"


def job_of(text, directory=".", **environ):
    (made,) = parsed(text, directory, **environ).flow().jobs
    return made


def refused(text, directory="."):
    with pytest.raises(JobFileError) as caught:
        parsed(text, directory).flow()
    return str(caught.value)


# What a Python call can say, a file can.

WHERE = {
    "source_conn": "source.connection",
    "source_sql": "source.sql",
    "transformation_logic": "transform",
    "target_conn": "target.connection",
    "target_schema": "target.schema",
    "target_table": "target.table",
    "key_column": "chunking.key",
    "strategy": "chunking.strategy",
    "chunk_size": "chunking.size",
    "columns": "source.columns",
    "write_disposition": "target.write_disposition",
    "atomic": "target.atomic",
    "direct_path": "target.direct_path",
    "primary_key": "target.primary_key",
    "newest_by": "target.newest_by",
    "on_error": "execution.on_error",
    "reject_limit": "execution.reject_limit",
    "consistent": "source.consistent",
    "dtype_backend": "transform.dtype_backend",
    "params": "source.params",
    "max_workers": "execution.max_workers",
    "parallel": "execution.parallel",
    "retries": "execution.retries",
    "lock_timeout": "execution.lock_timeout",
    "incremental": "source.incremental",
}
"""Fields of MapperJob and FlowJob, and the key of a file that sets each."""

GIVEN = {
    "run_id": "the flow gives it: JobFile.flow(run_id=…)",
    "name": "the key under jobs",
    "job": "all of the above",
    "depends_on": "depends_on of the job",
}

SAID = {
    "source_conn": "env:SOURCE",
    "source_sql": "SELECT :n AS id",
    "transformation_logic": {"drop": ["x"]},
    "target_conn": "env:TARGET",
    "target_schema": "public",
    "target_table": "flights",
    "key_column": ["id", "day"],
    "strategy": "key_based",
    "chunk_size": 10,
    "columns": ["id"],
    "write_disposition": "merge",
    "atomic": True,
    "direct_path": True,
    "primary_key": ["id"],
    "newest_by": "day",
    "on_error": "continue",
    "reject_limit": 0,
    "consistent": False,
    "dtype_backend": "numpy_nullable",
    "params": {"n": 1},
    "max_workers": 2,
    "parallel": False,
    "retries": 3,
    "lock_timeout": 4.5,
    "incremental": {"column": "id", "overlap": 3, "start": 5},
}


def test_each_field_of_a_job_has_its_key_in_the_file():
    names = {f.name for kind in (MapperJob, FlowJob) for f in fields(kind)}

    assert names == {*WHERE, *GIVEN}
    for key in WHERE.values():
        section, _, name = key.partition(".")
        model = models.Job.model_fields[section].annotation.__args__[0]
        assert not name or name in {f.alias or n for n, f in model.model_fields.items()}


@pytest.mark.parametrize("name", WHERE)
def test_a_key_of_the_file_sets_its_field(name):
    tree = {"version": 1, "jobs": {"one": {}}}
    for field, value in SAID.items():
        section, _, key = WHERE[field].partition(".")
        inside = tree["jobs"]["one"].setdefault(section, {})
        inside.update({key: value} if key else value)

    made = parsed(yaml.safe_dump(tree)).flow(run_id="r1").jobs[0]

    holder = made if name in {f.name for f in fields(FlowJob)} else made.job
    found = getattr(holder, name)
    if name == "transformation_logic":
        assert found == Transform(drop=["x"], dtype_backend="numpy_nullable")
    elif name == "incremental":
        assert (found.column, found.overlap, found.start) == ("id", 3, 5)
    elif name == "strategy":
        assert found is ChunkingStrategy.KEY_BASED
    else:
        assert found == SAID[name]


def test_each_field_of_a_flow_is_set():
    made = parsed(
        "version: 1\nname: nightly\nledger: w\nmax_parallel_jobs: 2\n"
        "connections: {w: 'env:TARGET'}\n"
        "jobs:\n  a: {source: {connection: w, sql: SELECT 1}}\n"
    ).flow(run_id="r1")

    assert {f.name for f in fields(Flow)} == {
        "name", "jobs", "ledger_conn", "run_id", "max_parallel_jobs", "document", "directory",
    }  # fmt: skip
    assert (made.name, made.ledger_conn, made.run_id) == ("nightly", "env:TARGET", "r1")
    assert (made.max_parallel_jobs, made.directory) == (2, ".")
    assert made.document is not None
    assert made.document.startswith("version: 1\nname: nightly")


def test_what_a_file_does_not_say_is_as_in_a_call():
    made = job_of(one()).job

    assert made == MapperJob(source_conn="env:SOURCE", source_sql="SELECT 1 AS id").validated()


def test_the_name_is_the_files():
    text = one()

    assert jobfile.parse(text, path="a/night.ly.yaml", directory=".", environ={}).name == "night.ly"
    assert parsed(text.replace("jobs", "name: daily\njobs")).name == "daily"


# Defaults, settings, the call.

DEFAULTS = """\
version: 1
connections: {source: env:SOURCE}
defaults:
  source: {connection: source, params: {a: 1, b: {decimal: '2'}}}
  target: {connection: env:TARGET, schema: public}
  chunking: {size: 10, key: [id, day]}
  execution: {retries: 3}
jobs:
  first:
    source: {sql: "SELECT :a, :b", params: {b: {integer: 3}}}
    target: {table: one}
    chunking: {key: [id]}
  second:
    source: {sql: "SELECT 1", params: null}
    target: null
    chunking: {size: null}
    execution: {retries: 5}
"""


def test_defaults_are_laid_under_each_job_key_by_key():
    first, second = parsed(DEFAULTS).flow().jobs

    assert first.job.source_conn == second.job.source_conn == "env:SOURCE"
    assert first.job.params == {"a": 1, "b": 3}
    assert (first.job.target_conn, first.job.target_table) == ("env:TARGET", "one")
    assert (first.job.chunk_size, first.job.key_column) == (10, ["id"])
    assert (first.retries, second.retries) == (3, 5)


def test_null_takes_a_default_out():
    _, second = parsed(DEFAULTS).flow().jobs

    assert second.job.params is None
    assert second.job.target_conn is None
    assert second.job.chunk_size == 50_000


def test_settings_hold_where_a_job_does_not_say():
    text = one().replace("jobs", "settings: {chunk_size: 7, on-error: continue}\njobs")

    made = parsed(text)

    assert made.settings == {"chunk_size": 7, "on-error": "continue"}
    assert (job_of(text).job.chunk_size, job_of(text).job.on_error) == (7, "continue")
    assert job_of(text + "    chunking: {size: 8}\n").job.chunk_size == 8


def test_the_call_wins_over_the_file():
    file = parsed(one("    chunking: {size: 8, key: id}\n"))

    (made,) = file.flow(overrides={"chunking.size": 9, "execution": {"max_workers": 4}}).jobs

    assert (made.job.chunk_size, made.job.key_column, made.max_workers) == (9, ["id"], 4)


def test_a_setting_of_the_call_wins_over_the_job():
    section = (
        "    chunking: {size: 8}\n    execution: {max_workers: 3, retries: 2, on_error: abort}\n"
    )
    file = parsed(one(section))
    call = {"chunk-size": 9, "max-workers": 1, "parallel": False, "on-error": "continue"}

    (made,) = file.flow(settings=settings.resolve(file=file.settings, call=call)).jobs

    assert (made.job.chunk_size, made.job.on_error) == (9, "continue")
    assert (made.max_workers, made.parallel, made.retries) == (1, False, 2)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"chunking.sise": 9}, "overrides: .*sise is not known; did you mean 'size'?"),
        ({"chunking.size": "many"}, "overrides: .*size must be a whole number"),
        ({"chunkin.size": 9}, "overrides: 'chunkin' is no section of a job; did you mean"),
    ],
)
def test_the_call_is_checked_as_the_file_is(overrides, said):
    with pytest.raises(ConfigurationError, match=said):
        parsed(one()).flow(overrides=overrides)


def test_only_some_of_the_jobs():
    text = (
        "version: 1\ndefaults: {source: {connection: 'env:SOURCE', sql: SELECT 1}}\n"
        "jobs: {a: {}, b: {depends_on: a}, c: {depends_on: [a, b]}}\n"
    )
    file = parsed(text)

    assert [(j.name, j.depends_on) for j in file.flow().jobs] == [
        ("a", ()), ("b", ("a",)), ("c", ("a", "b")),
    ]  # fmt: skip
    assert [(j.name, j.depends_on) for j in file.flow(only=["c", "b"]).jobs] == [
        ("b", ()), ("c", ("b",)),
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="has no job 'd'; known are a, b, c"):
        file.flow(only=["d"])


# Variables, and what a word means.


def test_variables_are_filled_in():
    text = one(
        "    target: {connection: 'env:TARGET', table: '${A}_${B:-b}_$${C}', schema: '${S}'}\n"
    )

    made = job_of(text, A="a", B="", S="2024").job

    assert (made.target_table, made.target_schema) == ("a_b_${C}", "2024")


@pytest.mark.parametrize("size", ["${SIZE}", '"${SIZE}"', "'${SIZE:-3}'", "${NONE:-12}"])
def test_a_variable_is_a_number_where_one_is_wanted(size):
    assert job_of(one(f"    chunking:\n      size: {size}\n"), SIZE="12").job.chunk_size == 12


def test_an_empty_variable_without_quotes_is_nothing():
    text = one("    target:\n      connection: env:TARGET\n      table: t\n      schema: ${S:-}\n")

    assert job_of(text).job.target_schema is None


def test_a_document_keeps_its_variables():
    text = one("    chunking:\n      size: ${SIZE}\n")

    assert parsed(text, SIZE="12").flow().document == text


PARAMS = """\
version: 1
jobs:
  one:
    source:
      connection: env:SOURCE
      sql: SELECT 1
      params:
"""


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("12", 12),
        ("'12'", "12"),
        ("0x1F", 31),
        ("0.1", 0.1),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("null", None),
        ("", None),
        ("2024-01-31", dt.date(2024, 1, 31)),
        ("2024-01-31 10:20:30.5", dt.datetime(2024, 1, 31, 10, 20, 30, 500_000)),  # noqa: DTZ001
        ("2024-01-31T10:20:30Z", dt.datetime(2024, 1, 31, 10, 20, 30, tzinfo=dt.UTC)),
        ("'2024-01-31'", "2024-01-31"),
        ("{decimal: '0.10'}", Decimal("0.10")),
        ("{decimal: 0.1}", Decimal("0.1")),
        ("{date: '2024-01-31'}", dt.date(2024, 1, 31)),
        ("{text: 12}", "12"),
        ("{integer: '7'}", 7),
        ("{boolean: 'true'}", True),
        ("[1, 'a', {decimal: '1'}]", [1, "a", Decimal(1)]),
        ("${DAY}", dt.date(2024, 1, 31)),
        ("'${DAY}'", "2024-01-31"),
        ("{date: '${DAY}'}", dt.date(2024, 1, 31)),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
    ],
)
def test_a_param_is_what_it_is_written_as(written, value):
    found = job_of(f"{PARAMS}        x: {written}\n", DAY="2024-01-31").job.params["x"]

    assert found == value
    assert type(found) is type(value)


def overlapping(written):
    incremental = f"{{column: c, overlap: {written}}}"
    return (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {incremental}}}",
        "    target: {connection: 'env:TARGET', table: t, write_disposition: merge}\n",
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1h", dt.timedelta(hours=1)),
        ("2 days", dt.timedelta(days=2)),
        ("1 day 12 hours", dt.timedelta(days=1, hours=12)),
        ("1h30m", dt.timedelta(minutes=90)),
        ("P1DT12H", dt.timedelta(hours=36)),
        ("PT0.5S", dt.timedelta(milliseconds=500)),
        ("1.5h", dt.timedelta(minutes=90)),
        ("3", 3),
        ("0.5", 0.5),
    ],
)
def test_an_overlap_is_a_time_or_a_number(written, value):
    source, target = overlapping(written)

    assert job_of(one(target, source)).incremental.overlap == value


@pytest.mark.parametrize(
    "written",
    [
        "1" * 30_000,
        "'" + "1" * 30_000 + "'",
        "'" + "1" * 30_000 + " days'",
        "'" + "1 " * 30_000 + "'",
        "1e999",
        ".inf",
        ".nan",
        "P999999999999W",
        "999999999999 weeks",
        "2000 weeks 9999999 days",
        "-1",
    ],
    ids=len,
)
def test_an_overlap_has_bounds(written):
    source, target = overlapping(written)

    said = refused(one(target, source))
    assert "overlap" in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("in_progress", "ignore", "ignore"),
        ("commit_wait", "0", 0),
        ("commit_wait", "2.5", 2.5),
        ("range_end", "open", "open"),
        ("check_target", "false", False),
    ],
)
def test_an_option_of_an_incremental_read_is_read(key, written, value):
    source = (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {{column: c, {key}: {written}}}}}"
    )

    assert getattr(job_of(one("", source)).incremental, key) == value


@pytest.mark.parametrize(
    ("key", "written"),
    [("in_progress", "later"), ("commit_wait", "-1"), ("commit_wait", "1e999"),
     ("commit_wait", "1e9"), ("commit_wait", ".nan"), ("range_end", "ajar"), ("check_target", "3")],
)  # fmt: skip
def test_an_option_of_an_incremental_read_has_bounds(key, written):
    source = (
        f"{{connection: 'env:SOURCE', sql: SELECT 1, incremental: {{column: c, {key}: {written}}}}}"
    )

    assert key in refused(one("", source))


@pytest.mark.parametrize("written", ["1", "h", "1x", "P", "1h and more", "-1h", "P1Y"])
def test_what_is_no_time_is_refused(written):
    source, target = overlapping(f"'{written}'")

    assert "must be a number of at least 0, or a time" in refused(one(target, source))


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


def function_job(name, arguments=""):
    more = f"      with: {arguments}\n" if arguments else ""
    return one(f"    transform:\n      function: {name}\n{more}")


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


# The examples, and the schema.


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_makes_a_flow(path):
    made = jobfile.read(path).flow(run_id="r1")

    assert made.validated().jobs


def test_the_full_example_has_every_key():
    tree = yaml.safe_load((EXAMPLES / "full.yaml").read_text(encoding="utf-8"))

    assert set(tree) == set(models.File.model_fields)
    for section, field in models.Job.model_fields.items():
        if section == "depends_on":
            continue
        model = field.annotation.__args__[0]
        wanted = {f.alias or n for n, f in model.model_fields.items()}
        used = {
            key
            for job in [tree["defaults"], *tree["jobs"].values()]
            for key in job.get(section) or ()
        }
        assert used == wanted - ({"sql"} - used), section


def schema_errors(tree):
    import jsonschema

    schema = jobfile.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = json.loads(json.dumps(tree, default=str))
    return list(jsonschema.Draft202012Validator(schema).iter_errors(plain))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_fits_the_schema(path):
    assert schema_errors(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"jobs": {}},
        {"job": {}},
        {"settings": {"chunk-sise": 1}},
        {"jobs": {"a": {"source": {"tabel": "x"}}}},
        {"jobs": {"a": {"chunking": {"size": "many"}}}},
        {"jobs": {"a": {"execution": {"retries": 0}}}},
        {"jobs": {"a": {"target": {"write_disposition": "apend"}}}},
    ],
)
def test_the_schema_refuses_what_the_file_refuses(change):
    tree = {"version": 1, "jobs": {"a": {"source": {"connection": "env:A", "sql": "SELECT 1"}}}}
    assert schema_errors(tree) == []

    assert schema_errors({**tree, **change})
    assert refused(yaml.safe_dump({**tree, **change}))


def test_the_schema_describes_every_key():
    def undescribed(node, path=()):
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                if not {"description", "$ref"} & set(inner):
                    yield (*path, name)
            for key, inner in node.items():
                yield from undescribed(inner, (*path, key))
        elif isinstance(node, list):
            for inner in node:
                yield from undescribed(inner, path)

    schema = jobfile.json_schema()

    found = {p[-1] for p in undescribed(schema)}
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    typed = {"text", "integer", "float", "decimal", "boolean", "date", "datetime"}
    assert found <= typed | {"url", "connections"}


def test_a_job_file_shows_no_value():
    file = parsed(function_job("json:loads", "{key: '${KEY}'}"), KEY="hunter2")

    assert "hunter2" not in repr(file)
