"""Tables with keys of every type, and what a plan makes of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import sqlalchemy as sa

from mapper_dask import ChunkManager, ChunkPlan, MapperJob
from tests.database import Database

ROWS = 20_000
SIZE = 1_000
LONGEST = "n" * 63


@dataclass(frozen=True)
class KeyType:
    """A type with an expression over ``i`` that gives ROWS different keys of it."""

    name: str
    type_name: str
    expression: str


KEY_TYPES = [
    KeyType("int", "int", "i"),
    KeyType("smallint", "smallint", "i"),
    KeyType("negative", "int", "i - 10000"),
    KeyType("sparse", "bigint", "9007199254740993 + i * 1000 + i % 7"),
    KeyType("largest", "bigint", "9223372036854775807 - i"),
    KeyType("numeric", "numeric", "i / 7::numeric + 10::numeric ^ 40"),
    KeyType("decimal", "numeric(20,4)", "i / 8::numeric - 1000"),
    KeyType("float", "float8", "sqrt(i)"),
    KeyType("text_c", 'text COLLATE "C"', "md5(i::text)"),
    KeyType(
        "text_icu",
        "text COLLATE icu",
        "CASE i % 3 WHEN 0 THEN 'É' WHEN 1 THEN 'e' ELSE 'Z' END || md5(i::text)",
    ),
    KeyType("text_odd", "text", "i % 10 || E'\\'\\\\%\"\\n é🎉' || i"),
    KeyType("char_padded", "char(12)", "'k ' || i"),
    KeyType("date", "date", "date '1900-01-01' + i"),
    KeyType("timestamp", "timestamp", "timestamp '2024-01-01' + i * interval '1 microsecond'"),
    KeyType(
        "timestamptz",
        "timestamptz",
        "timestamptz '2024-03-31 00:30:00+00' + i * interval '1.000001 seconds'",
    ),
    KeyType("uuid", "uuid", "md5(i::text)::uuid"),
    KeyType("bytea", "bytea", "decode(md5(i::text), 'hex')"),
    KeyType("interval", "interval", "i * interval '1 month 1 second'"),
    KeyType("skewed", "numeric", "(i::numeric / 20000) ^ 9 * 1000000000"),
]


def query(database: Database, sql: str) -> list[tuple[object, ...]]:
    """Run statements and return the rows of the last; a percent sign in them is itself."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return rows


def plan_of(database: Database, sql: str, **options: object) -> ChunkPlan:
    return ChunkManager().plan(MapperJob(source_conn=database.url, source_sql=sql, **options))


def chunk_queries(database: Database, plan: ChunkPlan) -> list[str]:
    manager = ChunkManager()
    return [manager.create_chunked_query(database.url, plan, chunk) for chunk in plan.chunks]


def sizes(database: Database, plan: ChunkPlan) -> list[int]:
    counts = [f"(SELECT count(*) FROM (\n{text}\n) AS c)" for text in chunk_queries(database, plan)]
    return list(query(database, f"SELECT {', '.join(counts)}")[0])


def assert_covers(database: Database, plan: ChunkPlan, sql: str) -> None:
    """Every row of the query is in one chunk: EXCEPT ALL is empty both ways."""
    parts = [f"SELECT c::text FROM (\n{text}\n) AS c" for text in chunk_queries(database, plan)]
    chunks = "\nUNION ALL\n".join(parts)
    whole = f"SELECT c::text FROM (\n{sql}\n) AS c"
    lost = query(database, f"({whole}) EXCEPT ALL ({chunks})")
    doubled = query(database, f"({chunks}) EXCEPT ALL ({whole})")
    assert (lost, doubled) == ([], [])
