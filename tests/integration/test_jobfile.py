"""Job files that run: params in both databases, functions on workers, mappings that are resumed."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import cloudpickle
import pytest
import sqlalchemy as sa

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor, jobfile
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.postgresql.literals import literal
from mapper_dask.errors import ConfigurationError, FingerprintError
from mapper_dask.flows.execution_engine import ExecutionEngine
from mapper_dask.plan.params import bound
from tests.builders import job_of
from tests.contract import sides

EXAMPLES = Path(__file__).parents[1] / "unit" / "examples"

MOMENT = dt.datetime(2024, 1, 31, 10, 20, 30, 500)  # noqa: DTZ001


@pytest.fixture
def environ(databases, monkeypatch):
    """The variables that the files name."""
    monkeypatch.setenv("SOURCE", databases.source.url)
    monkeypatch.setenv("TARGET", databases.target.url)
    dispose_engines()  # those of the last test's variables
    known, path = set(sys.modules), list(sys.path)
    yield databases
    dispose_engines()
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.unregister_pickle_by_value(sys.modules.pop(name))


@pytest.fixture(params=["postgresql", "oracle"])
def side(request, databases, oracle_url):
    """A source of each kind."""
    made = (
        sides.oracle(oracle_url("source"))
        if request.param == "oracle"
        else sides.postgresql(databases.source)
    )
    yield made
    made.clean()


# Params.

VALUES = [
    (True, "boolean", True),
    (12, "integer", 12),
    (-12, "integer", -12),
    (2**40, "bigint", 2**40),
    (2**70, "numeric", Decimal(2**70)),
    (0.1, "double precision", 0.1),
    (5e-324, "double precision", 5e-324),
    (float("inf"), "double precision", float("inf")),
    (Decimal(3), "numeric", Decimal(3)),
    (Decimal("0.10"), "numeric", Decimal("0.10")),
    ("it's \\ 'ü' :x --", "text", "it's \\ 'ü' :x --"),
    ("", "text", ""),
    (dt.date(2024, 1, 31), "date", dt.date(2024, 1, 31)),
    (MOMENT, "timestamp without time zone", MOMENT),
    (MOMENT.replace(tzinfo=dt.UTC), "timestamp with time zone", MOMENT.replace(tzinfo=dt.UTC)),
    (None, "text", None),
]


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("style", ["ISO, MDY", "SQL, DMY", "German"])
def test_postgresql_reads_a_literal_as_the_value_it_was(databases, conforming, style):
    engine = sa.create_engine(databases.source.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        for value, type_name, expected in VALUES:
            run(f"SET standard_conforming_strings = {conforming}")
            run("SET escape_string_warning = off")
            run(f"SET DateStyle = '{style}'")
            made = f"CREATE TEMPORARY TABLE read AS SELECT x FROM (SELECT {literal(value)} AS x) q"
            run(made.replace("%", "%%"))
            run("RESET DateStyle")
            found = run("SELECT x, pg_typeof(x)::text FROM read").one()
            run("DROP TABLE read")
            assert tuple(found) == (expected, type_name)


def rows_of(side, sql, params):
    """Return what a job with params reads."""
    job = MapperJob(source_conn=side.url, source_sql=sql, params=params)
    made = bound(job.validated(), reference(side.url))
    return sorted(row[0] for row in side.query(made.source_sql))


@pytest.mark.parametrize(
    ("where", "params", "ids"),
    [
        ("n = :x", {"x": 2}, [2]),
        ("n > :x AND n < :y", {"x": -1, "y": 3}, [1, 2]),
        ("m = :x", {"x": Decimal("0.20")}, [2]),
        ("d > :x", {"x": 0.25}, [3]),
        ("s = :x", {"x": "it's :y"}, [1]),
        ("s IN :x", {"x": ["two", "three"]}, [2, 3]),
        ("n NOT IN (:x)", {"x": [1, 3]}, [2]),
        ("t >= :x", {"x": MOMENT}, [2, 3]),
        ("t >= :x", {"x": dt.date(2024, 2, 1)}, [3]),
        ("s = ':x' OR n = :x", {"x": 3}, [3]),
        ("n = 1 OR n = :x -- :y", {"x": None}, [1]),
    ],
)
def test_params_choose_rows_in_both_databases(side, where, params, ids):
    kinds = {"n": "key", "m": "money", "d": "float", "s": "text", "t": "time"}
    table = side.table(kinds)
    before, after = MOMENT - dt.timedelta(days=1), MOMENT + dt.timedelta(days=9)
    rows = [
        (1, Decimal("0.10"), 0.1, "it's :y", before),
        (2, Decimal("0.20"), 0.2, "two", MOMENT),
        (3, Decimal("0.30"), 0.3, "three", after),
    ]
    side.insert(table, kinds, rows)

    assert rows_of(side, f"SELECT n FROM {table} WHERE {where}", params) == ids


def test_a_plan_and_a_run_see_the_bound_query(databases):
    databases.source.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 1000) g")
    databases.target.execute("CREATE TABLE t (id int8)")
    job = job_of(
        databases, source_sql="SELECT id FROM t WHERE id > :low", params={"low": 900},
        target_table="t", chunk_size=30, run_id="bound",
    )  # fmt: skip
    processor = ParallelProcessor(enable_parallel=False)

    assert "WHERE id > 900" in str(ChunkManager().plan(job))
    assert processor.run(job).raise_for_status().total_rows_successful == 100
    assert processor.run(job).rows_this_run == 0
    with pytest.raises(FingerprintError):
        processor.run(job.evolve(params={"low": 901}))
    again = processor.resume("bound", target_conn=databases.target.url, source_conn=job.source_conn)
    assert again.total_rows_successful == 100
    with pytest.raises(ConfigurationError, match="params has no value for :low"):
        processor.run(job.evolve(params={}, run_id=None))


# Files.


@pytest.fixture
def airports(environ):
    environ.source.execute(
        "CREATE TABLE airports AS SELECT 'A' || g AS faa, ' name ' || g AS name, g::float8 AS lat,"
        " -g::float8 AS lon, (g * 100)::int8 AS alt, 'x' AS tzone FROM generate_series(1, 300) g"
    )
    environ.target.execute(
        "CREATE TABLE airports (code text, name text, lat float8, lon float8, alt int4,"
        " metres float8)"
    )
    return environ


def test_a_file_maps_columns_without_python(airports):
    flow = jobfile.read(EXAMPLES / "mapping.yaml").flow(overrides={"chunking.size": 50})

    ExecutionEngine(max_workers=1).run(flow).raise_for_status()

    found = airports.target.fetch("SELECT code, name, alt, metres FROM airports")
    assert Counter(found) == Counter(
        (f"A{g}", f"NAME {g}", g * 100, float(int(g * 30.48 + 0.5))) for g in range(1, 301)
    )


def test_the_minimal_file_does_what_the_call_does(environ):
    for database, name in ((environ.source, "flights"), (environ.target, "flights_by_id")):
        database.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY)")
    environ.source.execute("INSERT INTO flights SELECT generate_series(1, 500)")
    flow = jobfile.read(EXAMPLES / "minimal.yaml").flow()

    outcome = ParallelProcessor(enable_parallel=False).run(flow.jobs[0].job).raise_for_status()

    assert outcome.total_rows_successful == 500


FILE = """\
version: 1
jobs:
  numbers:
    source: {{connection: env:SOURCE, sql: SELECT id FROM numbers}}
    transform:
      function: job_functions:twice
      with: {{factor: {factor}}}
      rename: {{id: n}}
    target: {{connection: env:TARGET, table: numbers}}
    chunking: {{size: 50, key: id}}
"""

FUNCTIONS = """\
from job_helpers import multiplied


def twice(df, *, factor):
    return multiplied(df, factor)
"""
HELPERS = "def multiplied(df, factor):\n    return df.assign(id=df.id * factor)\n"


@pytest.fixture
def folder(environ, tmp_path):
    """A job file with a module of its own, which imports another one."""
    environ.source.execute(
        "CREATE TABLE numbers AS SELECT g::int8 AS id FROM generate_series(1, 400) g"
    )
    environ.target.execute("CREATE TABLE numbers (n int8 NOT NULL)")
    (tmp_path / "flow.yaml").write_text(FILE.format(factor=2), encoding="utf-8")
    (tmp_path / "job_functions.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / "job_helpers.py").write_text(HELPERS, encoding="utf-8")
    return tmp_path


RUN = """
import sys
from distributed import Client, LocalCluster
from mapper_dask import ParallelProcessor, jobfile

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1",
                      dashboard_address="127.0.0.1:0") as cluster, Client(cluster) as client:
        (job,) = jobfile.read(sys.argv[1]).flow().jobs
        # The workers stand elsewhere, and none of them finds the folder.
        def here(name="job_functions"):
            import importlib.util
            return importlib.util.find_spec(name) is not None
        assert not any(client.run(here).values())
        result = ParallelProcessor(client=client).run(job.job).raise_for_status()
        print(result.total_rows_successful, result.chunks_total)
"""


def test_workers_need_no_copy_of_a_function(folder, environ, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    script = elsewhere / "run.py"
    script.write_text(RUN, encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, str(script), str(folder / "flow.yaml")],
        check=False,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env=os.environ,
    )

    assert ran.stdout.split() == ["400", "9"], ran.stderr
    assert environ.target.fetch("SELECT count(*), sum(n) FROM numbers") == [(400, 400 * 401)]


def flow_of(folder, **changes):
    text = FILE.format(**changes)
    return jobfile.parse(text, path="flow.yaml", directory=folder)


def test_a_run_is_not_continued_with_another_mapping(folder, environ):
    processor = ParallelProcessor(enable_parallel=False)
    job = flow_of(folder, factor=2).flow().jobs[0].job.evolve(run_id="once")
    processor.run(job).raise_for_status()

    same = flow_of(folder, factor=2).flow().jobs[0].job.evolve(run_id="once")
    other = flow_of(folder, factor=3).flow().jobs[0].job.evolve(run_id="once")

    assert processor.run(same).rows_this_run == 0
    with pytest.raises(FingerprintError):
        processor.run(other)
    with pytest.raises(ConfigurationError, match="pass transformation_logic"):
        processor.resume("once", target_conn=environ.target.url, source_conn=environ.source.url)
    again = processor.resume(
        "once",
        target_conn=environ.target.url,
        source_conn=environ.source.url,
        transformation_logic=same.transformation_logic,
    )
    assert again.total_rows_successful == 400


def test_a_value_a_cast_would_lose_is_one_reject(environ):
    environ.source.execute(
        "CREATE TABLE t AS SELECT g AS id, g::text AS v FROM generate_series(1, 99) g"
    )
    environ.source.execute("INSERT INTO t VALUES (100, 'secret words')")
    environ.target.execute("CREATE TABLE t (id int8, v int8)")
    text = (
        "version: 1\njobs:\n  one:\n"
        "    source: {connection: env:SOURCE, sql: SELECT * FROM t}\n"
        "    transform: {cast: {v: int64}}\n"
        "    target: {connection: env:TARGET, table: t}\n"
        "    execution: {reject_limit: 5}\n"
    )
    (made,) = jobfile.parse(text, path="f.yaml", directory=".").flow().jobs
    processor = ParallelProcessor(enable_parallel=False)

    outcome = processor.run(made.job).raise_for_status()

    rejects = processor.rejects(outcome.run_id, target_conn=environ.target.url)
    assert (outcome.total_rows_successful, len(rejects)) == (99, 1)
    assert "cast of v: holds a value that int64 does not hold" in rejects.reason[0]
    assert "secret words" not in rejects.reason[0]


def test_secrets_are_neither_in_the_ledger_nor_in_the_document(folder, environ):
    flow = jobfile.read(folder / "flow.yaml").flow(run_id="f1")

    ExecutionEngine(max_workers=1).run(flow).raise_for_status()

    password = sa.make_url(environ.source.url).password
    tables = environ.target.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'mapper_dask%%'"
    )
    kept = str([environ.target.fetch(f"SELECT q::text FROM {name} q") for (name,) in tables])
    assert "env:SOURCE" in kept
    assert environ.source.url not in kept
    assert not password or password not in kept


def test_params_of_an_incremental_job_are_bound_first(environ):
    environ.source.execute(
        "CREATE TABLE t AS SELECT g::int8 AS id, mod(g, 2) AS odd FROM generate_series(1, 10) g"
    )
    environ.target.execute("CREATE TABLE t (id int8, odd int4)")
    text = (
        "version: 1\njobs:\n  one:\n"
        "    source:\n      connection: env:SOURCE\n      sql: SELECT * FROM t WHERE odd = :odd\n"
        "      params: {odd: 1}\n      incremental: {column: id}\n"
        "    target: {connection: env:TARGET, table: t}\n"
    )
    file = jobfile.parse(text, path="f.yaml", directory=".")
    engine = ExecutionEngine(max_workers=1)

    engine.run(file.flow()).raise_for_status()
    environ.source.execute("INSERT INTO t VALUES (11, 1), (12, 0)")
    engine.run(file.flow()).raise_for_status()

    assert environ.target.fetch("SELECT id FROM t ORDER BY id") == [(n,) for n in range(1, 12, 2)]
