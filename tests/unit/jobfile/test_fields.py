"""Every field of a job and a flow has its key in the file; defaults, settings and the call."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

from mapper_dask import jobfile, settings
from mapper_dask.errors import ConfigurationError
from mapper_dask.flow import Flow, FlowJob
from mapper_dask.jobfile import models
from mapper_dask.mapper_job import MapperJob
from mapper_dask.mapping import Transform
from mapper_dask.parallel_models import ChunkingStrategy
from tests.unit.jobfile.files import job_of, one, parsed

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
