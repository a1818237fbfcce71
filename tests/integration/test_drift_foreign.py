"""Rows held elsewhere: no snapshot has them, so nothing is claimed, and they are read once."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper_dask import ChunkManager, ChunkPlan, MapperJob, ParallelProcessor, embedded
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import ChunkKind
from tests.database import Database, Databases


def plan_of(source: Database, sql: str, **options: Any) -> ChunkPlan:
    return ChunkManager().plan(MapperJob(source_conn=source.url, source_sql=sql, **options))


SERVER = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """Return the programs of a PostgreSQL of the system that has postgres_fdw."""
    found = sorted(SERVER.glob("*/lib/postgres_fdw.so"))
    return found[-1].parents[1] / "bin" if found else None


def run(*command: object) -> None:
    """Run a program of the server as who may run it."""
    subprocess.run(
        [str(part) for part in command], cwd="/", env=embedded._environment(), check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **embedded._identity(),
    )  # fmt: skip


@pytest.fixture
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A server with postgres_fdw: its source has tables whose rows are in another database."""
    where = programs()
    if where is None:
        pytest.skip("no PostgreSQL with postgres_fdw here (Debian: postgresql-15)")
    folder = Path(tmp_path_factory.mktemp("linked"))
    folder.chmod(0o777)
    for parent in folder.parents:
        with contextlib.suppress(OSError):
            parent.chmod(parent.stat().st_mode | 0o055)
    data, log = folder / "data", folder / "log"
    run(where / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c fsync=off -k {folder}"
    run(where / "pg_ctl", "-D", data, "-w", "-o", options, "-l", log, "start")
    try:
        urls = [
            f"postgresql+psycopg2://postgres@/{name}?host={folder}"
            for name in ("postgres", "source", "target", "elsewhere")
        ]
        admin, source, target, elsewhere = map(Database, urls)
        for name in ("source", "target", "elsewhere"):
            admin.execute(f"CREATE DATABASE {name}")
        elsewhere.execute("CREATE TABLE f (id int PRIMARY KEY, v int)")
        elsewhere.execute("INSERT INTO f SELECT g, 0 FROM generate_series(1, 5000) g")
        source.execute("CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink")
        source.execute(
            f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host "
            f"'{folder}', dbname 'elsewhere')"
        )
        source.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'postgres')")
        source.execute("CREATE FOREIGN TABLE f (id int NOT NULL, v int) SERVER far")
        source.execute("CREATE VIEW seen AS SELECT * FROM f")
        source.execute("CREATE TABLE r (id int NOT NULL, v int) PARTITION BY RANGE (id)")
        source.execute("CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (1)")
        source.execute(
            "CREATE FOREIGN TABLE r2 PARTITION OF r FOR VALUES "
            "FROM (1) TO (9000) SERVER far OPTIONS (table_name 'f')"
        )
        target.execute("CREATE TABLE d (id int, v int)")
        yield Databases(source, target)
    finally:
        run(where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


FOREIGN = {
    "table": "SELECT * FROM f ORDER BY id",
    "view": "SELECT * FROM seen ORDER BY id",
    "partition": "SELECT * FROM r ORDER BY id",
    "join": "SELECT f.* FROM f JOIN (SELECT 1) one ON true ORDER BY f.id",
    "dblink": "SELECT * FROM dblink('far', 'SELECT id, v FROM f') AS t(id int, v int) ORDER BY id",
}  # fmt: skip


def test_foreign_rows_are_read_once_and_nothing_is_claimed(linked: Databases) -> None:
    for name, sql in FOREIGN.items():
        linked.target.execute("TRUNCATE d")
        job = MapperJob(
            source_conn=linked.source.url, source_sql=sql, target_conn=linked.target.url,
            target_table="d", chunk_size=500,
        )  # fmt: skip
        plan = ChunkManager().plan(job)
        assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE], name
        assert not plan.consistent
        assert "no guarantee of one state is given" in plan.warnings[0]
        assert "are elsewhere, where no snapshot holds them" in plan.warnings[0]
        assert ("dblink()" if name == "dblink" else "public.") in plan.warnings[0]
        result = ParallelProcessor(enable_parallel=False).run(job).raise_for_status()
        assert not result.consistent
        assert linked.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(5000, 5000)]


def test_who_cuts_them_all_the_same_is_warned(linked: Databases) -> None:
    made = plan_of(linked.source, "SELECT * FROM f", key_column="id", chunk_size=500)
    assert len(made.chunks) > 1
    assert not made.consistent
    assert any("rows may be lost or doubled across chunks" in note for note in made.warnings)
    with pytest.raises(PlanError, match=r"OFFSET_LIMIT needs consistent=True.*elsewhere"):
        plan_of(linked.source, "SELECT * FROM f", key_column="id", strategy="OFFSET_LIMIT")


def test_a_resumed_run_claims_nothing_either(linked: Databases) -> None:
    linked.target.execute("ALTER TABLE d ADD CHECK (id <= 1000)")
    job = MapperJob(
        source_conn=linked.source.url, source_sql="SELECT * FROM f", key_column="id", run_id="r",
        target_conn=linked.target.url, target_table="d", chunk_size=500,
    )  # fmt: skip
    processor = ParallelProcessor(enable_parallel=False)
    assert not processor.run(job).succeeded
    linked.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")
    result = processor.resume("r", target_conn=linked.target.url).raise_for_status()
    assert not result.consistent
    assert linked.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(5000, 5000)]


def test_tables_of_this_database_are_held_as_ever(linked: Databases) -> None:
    linked.source.execute("CREATE TABLE s AS SELECT g AS id FROM generate_series(1, 1000) g")
    assert plan_of(linked.source, "SELECT * FROM s").consistent
