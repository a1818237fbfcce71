"""One state of the source for all chunks: while others write, while it takes, on a standby."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor, embedded
from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from tests.database import Database, Databases

ACCOUNTS, MONEY = 4_000, 1_000
WRITERS, RUNS = 8, 8


def job(source: str, target: str, **options: object) -> MapperJob:
    return MapperJob(
        source_conn=source, source_sql="SELECT * FROM account", key_column="id", chunk_size=250,
        target_conn=target, target_table="account", **options,
    )  # fmt: skip


def open_accounts(databases: Databases) -> None:
    for database in databases:
        database.execute("CREATE TABLE account (id int PRIMARY KEY, money int NOT NULL)")
    databases.source.execute(
        f"INSERT INTO account SELECT g, {MONEY} FROM generate_series(1, {ACCOUNTS}) g"
    )
    databases.source.execute("ANALYZE account")


@contextmanager
def transfers(url: str) -> Iterator[list[int]]:
    """Let eight writers move money about; lend a list that has an entry for each transfer."""
    ended, done = threading.Event(), []
    dsn = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def write(number: int) -> None:
        connection = psycopg2.connect(dsn)
        with connection.cursor() as cursor:
            step = number
            while not ended.is_set():
                step = (step * 1103 + 12345) % (ACCOUNTS - 1)
                pair = sorted([step + 1, ACCOUNTS - step])
                for account, amount in zip(pair, (step % 90 + 10, -(step % 90 + 10)), strict=True):
                    change = "UPDATE account SET money = money + %s WHERE id = %s"
                    cursor.execute(change, (amount, account))
                connection.commit()
                done.append(number)
        connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield done
    finally:
        ended.set()
        for writer in writers:
            writer.join()


def totals(databases: Databases, *, consistent: bool) -> list[int]:
    """Copy the accounts again and again while money moves; return the sum each copy holds."""
    found = []
    processor = ParallelProcessor(enable_parallel=False)
    with transfers(databases.source.url) as done:
        for _ in range(RUNS):
            before = len(done)
            result = processor.run(
                job(
                    databases.source.url, databases.target.url, consistent=consistent,
                    write_disposition="replace",
                )
            )  # fmt: skip
            assert result.raise_for_status().consistent is consistent
            assert len(done) > before, "nobody wrote meanwhile, so this shows nothing"
            found += [int(t) for (t,) in databases.target.fetch("SELECT sum(money) FROM account")]
    return found


def test_a_total_is_exact_while_others_transfer(databases: Databases) -> None:
    open_accounts(databases)
    assert totals(databases, consistent=True) == [ACCOUNTS * MONEY] * RUNS


def test_without_a_snapshot_the_same_total_is_wrong(databases: Databases) -> None:
    open_accounts(databases)
    assert any(total != ACCOUNTS * MONEY for total in totals(databases, consistent=False))


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_the_snapshot_outlives_the_servers_patience(databases: Databases, limit: str) -> None:
    """The keeper is idle while a chunk takes longer than any transaction may."""
    if not databases.source.fetch("SELECT FROM pg_settings WHERE name = %s", limit):
        pytest.skip(f"{limit} came with a later PostgreSQL")
    open_accounts(databases)
    databases.target.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.5); RETURN new; END $$"
    )
    databases.target.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON account FOR EACH ROW WHEN (new.id %% 1000 = 0) "
        "EXECUTE FUNCTION slow()"
    )
    for database in databases:
        name = sa.make_url(database.url).database
        database.execute(f'ALTER DATABASE "{name}" SET {limit} = 200')
    result = ParallelProcessor(enable_parallel=False).run(
        job(databases.source.url, databases.target.url)
    )
    assert result.raise_for_status().consistent
    assert result.total_rows_successful == ACCOUNTS


# -- a standby ---------------------------------------------------------------------------------


@contextmanager
def standby_of(primary: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """Run a hot standby of a server, made from its base backup."""
    pg_basebackup = program(primary, "pg_basebackup")
    with embedded_postgres(settings={"fsync": "off"}) as standby:
        standby.stop()
        shutil.rmtree(standby.data_directory)
        socket = str(primary.directory)
        backup = subprocess.run(
            [pg_basebackup, "--pgdata", standby.data_directory, "--host", socket,
             "--username", "postgres", "--checkpoint", "fast", "--write-recovery-conf"],
            cwd="/", env=embedded._environment(), check=False, capture_output=True, text=True,
            **embedded._identity(),
        )  # fmt: skip
        assert backup.returncode == 0, backup.stderr
        own = standby.data_directory / "postgresql.auto.conf"
        with own.open("a") as file:
            file.write(f"unix_socket_directories = '{standby.directory}'\n")
        give_to_server(own)
        standby.start()
        yield standby


def program(server: EmbeddedPostgres, name: str) -> Path:
    """Return one of the server's programs, from its own copy where it has one."""
    for copied in (server.directory / "programs").rglob(name):
        return copied
    return embedded._programs(embedded._wheel_directory(), server.directory) / name


def give_to_server(path: Path) -> None:
    if identity := embedded._identity():
        os.chown(path, identity["user"], identity["group"])


def dearer(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(money=frame["money"] + 1)


def test_a_hot_standby_is_read_in_one_snapshot(private_server: EmbeddedPostgres) -> None:
    source = Database(private_server.create_database("bank"))
    target = Database(private_server.create_database("copy"))
    open_accounts(Databases(source, target))
    with standby_of(private_server) as standby:
        reading = Database(standby.url("bank"))
        assert reading.fetch("SELECT pg_is_in_recovery()") == [(True,)]
        results = [
            ParallelProcessor(max_workers=2).run(made.evolve(write_disposition="replace"))
            for made in (
                job(reading.url, target.url, transformation_logic=dearer),
                job(reading.url, target.url).evolve(key_column=None, strategy="ROWID_BASED"),
            )
        ]
    for result in results:
        assert result.raise_for_status().consistent
        assert result.total_rows_successful == ACCOUNTS
