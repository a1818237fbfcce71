"""How soon a cancelled run has stopped: from the call to the last session that works on a chunk.

    python benchmarks/cancel.py --rounds 10

Two workers each copy a chunk into a table whose trigger sleeps for an hour at every row. ``cancel``
is called once both sleep. Then the sessions of chunks are counted until there are none, the rows in
the target are held against the ledger, and the run is discarded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

import sqlalchemy as sa
from distributed import Client, LocalCluster

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.embedded import embedded_postgres

SETUP = """
CREATE TABLE s AS SELECT g AS id FROM generate_series(1, 10000) g;
ALTER TABLE s ADD PRIMARY KEY (id);
CREATE TABLE d (id int);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(3600); RETURN new; END $$;
CREATE TRIGGER wait BEFORE INSERT ON d FOR EACH ROW WHEN (new.id > 2000) EXECUTE FUNCTION wait();
"""
WORKING = "FROM pg_stat_activity WHERE application_name ~ '^mapper_dask:.*:[0-9]+$'"


def seconds_to_stop(engine: sa.Engine, client: Client, url: str) -> float:
    """Start a run, cancel it when two chunks are stuck, and return how long that took."""

    def value(sql: str) -> int:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql(sql).scalar_one())

    job = MapperJob(
        source_conn=url, source_sql="SELECT * FROM s", target_conn=url, target_table="d",
        chunk_size=1_000,
    )  # fmt: skip
    processor = ParallelProcessor(client=client)
    with processor.start(job) as run:
        while value(f"SELECT count(*) {WORKING} AND wait_event = 'PgSleep'") < 2:
            pass
        called = time.perf_counter()
        run.cancel()
        while value(f"SELECT count(*) {WORKING}"):
            pass
        took = time.perf_counter() - called
    if value("SELECT count(*) FROM d") != value(
        f"SELECT sum(rows_loaded) FROM mapper_dask_chunk WHERE run_id = '{run.run_id}'"
    ):
        sys.exit("the target's rows are not those of the ledger")
    processor.discard(run.run_id, target_conn=url)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE d")
    return took


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(arguments)
    with (
        embedded_postgres() as server,
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        url = server.create_database("pit")
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.begin() as connection:
            connection.exec_driver_sql(SETUP)
        took = [seconds_to_stop(engine, client, url) for _ in range(options.rounds)]
    print("| rounds | median, s | longest, s |\n|--:|--:|--:|")
    print(f"| {len(took)} | {statistics.median(took):.2f} | {max(took):.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
