"""Tables of the cases in two databases, and whether two tables hold the same."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import psycopg2
import sqlalchemy as sa

from tests.database import Databases, Server, fresh_databases
from tests.integration.fidelity.cases import EXTENSIONS, GROUPS, OWN_TYPES, Case

ARRIVED = "arrived"
"""Schema of the source in which what arrived is compared with what left."""

BESIDE = ("beside", "mood")
"""A column whose type no binary COPY carries: with it, the same values pass as CSV."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of one column that only one side holds."""

    column: str
    only_left: tuple[str, ...]
    only_arrived: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Two databases with the tables of all cases, and how what arrived is compared."""

    databases: Databases
    source: Any
    target: Any
    lacking: dict[str, str]
    """Cases the server does not know, and what it said."""

    def cases(self, group: str) -> list[Case]:
        """Return the cases of a group that this server knows."""
        return [case for case in GROUPS[group] if case.name not in self.lacking]

    def empty(self, table: str) -> None:
        """Empty the table that is about to receive rows."""
        self.say(self.target, f"TRUNCATE {table}")

    def differences(self, table: str, exprs: Sequence[str]) -> list[Difference]:
        """Return the columns in which what arrived is not what left, and what differs."""
        self._bring_back(table)
        # In one sweep, and only if that finds something, column by column.
        if not any(self._except(table, exprs, "count(*)", way) != [(0,)] for way in (0, 1)):
            return []
        found = [
            Difference(expr, *(self._shown(table, expr, way) for way in (0, 1))) for expr in exprs
        ]
        return [each for each in found if each.only_left or each.only_arrived]

    def say(self, connection: Any, sql: str) -> list[tuple[Any, ...]]:
        """Run statements; return the rows of the last one."""
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _bring_back(self, table: str) -> None:
        """Copy what arrived into the source: by plain COPY text, which every type survives."""
        stream = io.BytesIO()
        self.say(self.source, f"TRUNCATE {ARRIVED}.{table}")
        with self.target.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} TO STDOUT", stream)
        stream.seek(0)
        with self.source.cursor() as cursor:
            cursor.copy_expert(f"COPY {ARRIVED}.{table} FROM STDIN", stream)

    def _except(
        self, table: str, exprs: Sequence[str], wanted: str, way: int
    ) -> list[tuple[Any, ...]]:
        left, right = (f"public.{table}", f"{ARRIVED}.{table}")[:: -1 if way else 1]
        columns = ", ".join(f"{expr} AS c{place}" for place, expr in enumerate(exprs))
        return self.say(
            self.source,
            f"SELECT {wanted} FROM (SELECT {columns} FROM {left} EXCEPT ALL "
            f"SELECT {columns} FROM {right}) AS missing",
        )

    def _shown(self, table: str, expr: str, way: int) -> tuple[str, ...]:
        rows = self._except(table, [expr], "left(c0::text, 60)", way)
        return tuple(str(value) for (value,) in rows)


def exactly(cases: Sequence[Case], *, key: str | None = "k") -> list[str]:
    """Return what is compared of the cases' columns: the value, and each bit of its text.

    Values alone would hide that 1.5 is not 1.50, and -0 not 0; ``%L`` also tells NULL from ''.
    """
    values = [case.name for case in cases if case.comparable]
    texts = [f"format('%L', {case.name})" for case in cases]
    return [*([key] if key else []), *values, *texts]


@contextmanager
def fidelity(server: Server) -> Iterator[Fidelity]:
    """Make both databases, with every table a test of the matrix moves."""
    with ExitStack() as stack:
        databases = stack.enter_context(fresh_databases(server))
        source, target = (stack.enter_context(connected(each.url)) for each in databases)
        made = Fidelity(databases, source, target, {})
        # Another type first, on one side: the two databases then number their types differently.
        made.say(target, "CREATE TYPE unused AS ENUM ('x')")
        for connection in (source, target):
            made.say(connection, OWN_TYPES)
            _extend(made, connection)
        made.say(source, f"CREATE SCHEMA {ARRIVED}")
        made.lacking.update(_lacking(made))
        for group in GROUPS:
            _create(made, group)
        yield made


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Lend a connection that commits each statement."""
    plain = sa.make_url(url).set(drivername="postgresql")
    with closing(psycopg2.connect(plain.render_as_string(hide_password=False))) as connection:
        connection.autocommit = True
        yield connection


def _extend(made: Fidelity, connection: Any) -> None:
    for name in EXTENSIONS:
        known = f"SELECT 1 FROM pg_available_extensions WHERE name = '{name}'"
        if made.say(connection, known):
            made.say(connection, f"CREATE EXTENSION {name}")


def _lacking(made: Fidelity) -> dict[str, str]:
    """Return the optional cases whose values this server does not take."""
    found = {}
    for case in (case for cases in GROUPS.values() for case in cases if case.optional):
        try:
            made.say(made.source, f"SELECT {', '.join(_literals(case))}")
        except psycopg2.Error as error:
            found[case.name] = f"this server: {error.diag.message_primary}"
    return found


def _create(made: Fidelity, group: str) -> None:
    """Create a group's tables: all columns in one, the same beside an enum, each alone."""
    cases = made.cases(group)
    columns = ", ".join(f"{case.name} {case.type_name}" for case in cases)
    script = [
        f"CREATE TABLE {group} (k int, {columns})",
        f"CREATE TABLE {group}_beside (k int, {' '.join(BESIDE)}, {columns})",
        *(f"CREATE TABLE {case.name}_alone ({case.name} {case.type_name})" for case in cases),
    ]
    for connection in (made.source, made.target):
        made.say(connection, ";".join(script))
    made.say(made.source, ";".join(_filled(group, cases)))


def _filled(group: str, cases: Sequence[Case]) -> Iterator[str]:
    rows = list(zip_longest(*(_literals(case) for case in cases), [], fillvalue="NULL"))
    for number, row in enumerate([*rows, ["NULL"] * (len(cases) + 1)]):
        yield f"INSERT INTO {group} VALUES ({number}, {', '.join(row[:-1])})"
    yield f"INSERT INTO {group}_beside SELECT k, 'sad', {_names(cases)} FROM {group}"
    for case in cases:
        most = len(case.values)
        yield (
            f"INSERT INTO {case.name}_alone SELECT {case.name} FROM {group} WHERE k < {most} "
            "ORDER BY k"
        )
        yield f"INSERT INTO {case.name}_alone VALUES (NULL)"
    for table in (group, f"{group}_beside", *(f"{case.name}_alone" for case in cases)):
        yield f"CREATE TABLE {ARRIVED}.{table} (LIKE {table})"


def _names(cases: Sequence[Case]) -> str:
    return ", ".join(case.name for case in cases)


def _literals(case: Case) -> list[str]:
    return [f"'{value.replace(chr(39), chr(39) * 2)}'::{case.type_name}" for value in case.values]
