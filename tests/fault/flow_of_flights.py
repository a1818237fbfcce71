"""Five jobs over the flights; as a program, a coordinator of them that is to be killed.

Airports, airlines and weather go from source to target at a time; then the flights, joined with
what the others have brought; then, from the target, those that are new.
"""

from __future__ import annotations

import sys

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental, MapperJob
from mapper_dask.demo import load_nycflights
from tests.database import Databases

FLIGHTS = 4_000
CHUNK_SIZE = 1_000

TABLES = ("airports", "airlines", "weather", "flights", "departures")

JOINED = """
SELECT f.id, f.time_hour, f.flight, l.name AS airline, p.name AS destination, w.temp, f.dep_delay
FROM flights f
JOIN airlines l USING (carrier)
LEFT JOIN airports p ON p.faa = f.dest
LEFT JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
ORDER BY f.id
"""

MAKE = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.airports (faa text, name text, lat float8, lon float8, alt int, tz int,
    dst text, tzone text);
CREATE TABLE {schema}.airlines (carrier text, name text);
CREATE TABLE {schema}.weather (origin text, time_hour timestamptz, temp float8, visib float8);
CREATE TABLE {schema}.flights (id int8, time_hour timestamptz, flight int, airline text,
    destination text, temp float8, dep_delay int);
CREATE TABLE {schema}.departures (id int8, time_hour timestamptz, flight int, airline text,
    destination text, temp float8, dep_delay int)
"""


def stage(databases: Databases, *schemas: str) -> None:
    """Make the source's tables, and the target's in some schemas."""
    load_nycflights(databases.source.url, rows=FLIGHTS)
    for schema in schemas:
        databases.target.execute(MAKE.format(schema=schema))


def flow(source: str, target: str, schema: str, run_id: str | None = None) -> Flow:
    """Return the flow into one schema of the target."""

    def job(table: str, sql: str, *after: str, read: str = source, **options: object) -> FlowJob:
        moved = MapperJob(
            source_conn=read, source_sql=sql, target_conn=target, target_schema=schema,
            target_table=table, chunk_size=CHUNK_SIZE,
        )  # fmt: skip
        return FlowJob(name=table, job=moved, depends_on=after, **options)

    weather = "SELECT origin, time_hour, temp, visib FROM weather WHERE month = 1 ORDER BY 1, 2"
    new = Incremental(column="time_hour")
    return Flow(
        name=f"flights into {schema}",
        run_id=run_id,
        max_parallel_jobs=3,
        jobs=(
            job("airports", "SELECT * FROM airports"),
            job("airlines", "SELECT * FROM airlines"),
            job("weather", weather),
            job("flights", JOINED, "airports", "airlines", "weather"),
            job(
                "departures", f"SELECT * FROM {schema}.flights WHERE dep_delay IS NOT NULL",
                "flights", read=target, incremental=new,
            ),
        ),
    )  # fmt: skip


def main(source: str, target: str, schema: str, run_id: str) -> None:
    ExecutionEngine(2, progress=False).run(flow(source, target, schema, run_id)).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
