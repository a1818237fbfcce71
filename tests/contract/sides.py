"""A database as the contract sees it: what it calls its types, and how a test speaks to it.

A test names columns by their kind; each side says which type that is there. Values are compared as
Python's own, whichever driver brought them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import oracledb
import sqlalchemy as sa

from tests.database import Database

POSTGRESQL_TYPES = {
    "key": "numeric(10)",
    "integer": "bigint",
    "wide": "numeric(38,0)",
    "number": "numeric",
    "money": "numeric(12,2)",
    "text": "varchar(60)",
    "long": "text",
    "bytes": "bytea",
    "large": "bytea",
    "second": "timestamp(0)",
    "time": "timestamp(6)",
    "fine": "timestamp(6)",
    "instant": "timestamptz(6)",
    "float": "double precision",
}

ORACLE_TYPES = {
    "key": "NUMBER(10)",
    "integer": "NUMBER(18)",
    "wide": "NUMBER(38)",
    "number": "NUMBER",
    "money": "NUMBER(12,2)",
    "text": "VARCHAR2(60 CHAR)",
    "long": "CLOB",
    "bytes": "RAW(100)",
    "large": "BLOB",
    "second": "DATE",
    "time": "TIMESTAMP(6)",
    "fine": "TIMESTAMP(9)",
    "instant": "TIMESTAMP(6) WITH TIME ZONE",
    "float": "BINARY_DOUBLE",
}


@dataclass(slots=True)
class Side:
    """One database; its tables have names nobody else has."""

    kind: str
    url: str
    types: Mapping[str, str]
    made: list[str] = field(default_factory=list)

    def table(self, columns: Mapping[str, str], *constraints: str) -> str:
        """Make a table of columns of some kinds; a kind may be followed by NOT NULL."""
        name = f"mdt_{uuid.uuid4().hex[:12]}"
        parts = [f"{column} {self._type(kind)}" for column, kind in columns.items()]
        self.execute(f"CREATE TABLE {name} ({', '.join([*parts, *constraints])})")
        self.made.append(name)
        return name

    def _type(self, kind: str) -> str:
        first, _, rest = kind.partition(" ")
        return f"{self.types[first]} {rest}".strip()

    def execute(self, sql: str) -> int:
        """Run a statement and commit; return the rows it changed."""
        with self.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def insert(self, table: str, kinds: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows of Python values."""
        names = ", ".join(kinds)
        with self.cursor() as cursor:
            if self.kind == "oracle":
                places = ", ".join(f":{n}" for n in range(1, len(kinds) + 1))
                sizes = [_ORACLE_BINDS.get(kind.partition(" ")[0]) for kind in kinds.values()]
                for start in range(0, len(rows), 10_000):
                    cursor.setinputsizes(*sizes)
                    cursor.executemany(
                        f"INSERT INTO {table} ({names}) VALUES ({places})",
                        [list(row) for row in rows[start : start + 10_000]],
                    )
            else:
                places = ", ".join(["%s"] * len(kinds))
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)

    def rows(self, table: str, names: Iterable[str]) -> Counter[tuple[Any, ...]]:
        """Return a table's rows as a bag of Python values."""
        return Counter(self.query(f"SELECT {', '.join(names)} FROM {table}"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return a query's rows as Python values."""
        with self.cursor() as cursor:
            if self.kind == "oracle":
                cursor.arraysize = 1000
                cursor.execute(sql, fetch_lobs=False, fetch_decimals=True)
            else:
                cursor.execute(sql)
            return [tuple(map(_plain, row)) for row in cursor.fetchall()]

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Lend a cursor on a connection of its own; commits at the end."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        connection = engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            if self.kind == "oracle":
                driver.outputtypehandler = None
            with driver.cursor() as cursor:
                if self.kind == "postgresql":
                    cursor.execute("SET timezone = 'UTC'")
                yield cursor
            driver.commit()
        finally:
            connection.close()

    def clean(self) -> None:
        """Drop what the tests made."""
        for name in self.made:
            purge = " PURGE" if self.kind == "oracle" else ""
            self.execute(f"DROP TABLE {name}{purge}")


_ORACLE_BINDS = {
    "time": oracledb.DB_TYPE_TIMESTAMP,
    "fine": oracledb.DB_TYPE_TIMESTAMP,
    "instant": oracledb.DB_TYPE_TIMESTAMP_TZ,
    "second": oracledb.DB_TYPE_DATE,
    "long": oracledb.DB_TYPE_CLOB,
    "large": oracledb.DB_TYPE_BLOB,
    "bytes": oracledb.DB_TYPE_RAW,
    "text": oracledb.DB_TYPE_VARCHAR,
    "float": oracledb.DB_TYPE_BINARY_DOUBLE,
    **dict.fromkeys(("key", "integer", "wide", "number", "money"), oracledb.DB_TYPE_NUMBER),
}


def _plain(value: Any) -> Any:
    match value:
        case memoryview():
            return bytes(value)
        case bool() | int() | Decimal():
            return Decimal(value).normalize()
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def postgresql(database: Database) -> Side:
    """Return a PostgreSQL database as a side."""
    return Side("postgresql", database.url, POSTGRESQL_TYPES)


def oracle(url: str) -> Side:
    """Return an Oracle schema as a side."""
    return Side("oracle", url, ORACLE_TYPES)
