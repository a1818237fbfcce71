"""Asks PostgreSQL whether a query gives the same rows in each statement that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from mapper_dask.dialects.postgresql import explain, named_queries, queries, query_texts, repeatable
from mapper_dask.dialects.postgresql.plan_texts import Node, nodes
from mapper_dask.dialects.postgresql.repeatable import ColumnFact, Facts, TableFact
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import DatabaseError
from mapper_dask.query_text import lexers
from mapper_dask.schema.facts import Column, Estimate, FunctionFact, Relation

ORDERS_SHOWN = (
    "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; "
    "SET LOCAL max_parallel_workers_per_gather = 0"
)
"""Lets a plan show the order of a LIMIT or a window as a sort, where an index would give it."""

AS_BEFORE = "; ".join(
    f"SET LOCAL {name} TO DEFAULT"
    for name in ("enable_indexscan", "enable_indexonlyscan", "max_parallel_workers_per_gather")
)

ARRAYS_SHOWN = 170000
"""Version from which a plan shows what becomes of a subquery's rows."""

_ARRAY = re.compile(r"\bARRAY\b(?!\s*\[)", re.IGNORECASE)
_UNION = re.compile(r"\bUNION\b(?!\s+ALL\b)", re.IGNORECASE)
_MODIFIED = re.compile(r"\(.*\)")
_SAME = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "oid", "date", "uuid", "bytea", "money"),
        *("time without time zone", "timestamp without time zone", "timestamp with time zone"),
        *("inet", "cidr", "macaddr", "macaddr8", "bit", "bit varying", "pg_lsn", "xid8", '"char"'),
    }
)
"""Types of which no two values are equal and written otherwise."""
_TEXTS = frozenset({"text", "character varying", "name"})
_ADDED = frozenset({"smallint", "integer", "bigint", "numeric", "money", "interval"})
"""Types whose values are added up without rounding."""


class Catalogue(Protocol):
    """The methods of the source that are used here."""

    @property
    def conn(self) -> Driver:
        """The driver's own connection."""
        ...

    def relation(self, table: str) -> Relation | None:
        """Return what the catalogue knows of a table as a FROM clause writes it."""
        ...

    def describe_query(self, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row."""
        ...

    def mark(self) -> None:
        """Mark a point in the transaction, which an error would end."""
        ...

    def back_to_mark(self) -> None:
        """Roll the transaction back to the mark."""
        ...


def doubt(
    catalogue: Catalogue, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]
) -> str:
    """Return why a query may give other rows in another statement; empty when it is shown not to.

    Costs nothing where the plan only passes rows on; else another plan, and a look at its tables.
    """
    unclear = lexers.differ(sql, "postgres")
    words = sorted({*estimate.clocks, *query_texts.days(sql, unclear=unclear)})
    if words:
        return f"it asks for the time ({', '.join(words)}), which each statement has its own of"
    if unsure := [f"{fact.name}()" for fact in functions if not fact.repeats]:
        return f"{', '.join(unsure)} is not shown to answer the same in each statement"
    for (said,) in named_queries.run(catalogue.conn, "outside_snapshot"):
        return str(said)
    if estimate.passing:
        return ""
    plan = _shown(catalogue.conn, sql)
    return repeatable.doubt(plan, _facts(catalogue, sql, plan, functions))


def _shown(conn: Driver, sql: str) -> Node:
    with conn.cursor() as cursor:
        cursor.execute(ORDERS_SHOWN)
    plan = explain.plan(conn, sql, "VERBOSE, ")
    with conn.cursor() as cursor:
        cursor.execute(AS_BEFORE)
    return plan


def _facts(catalogue: Catalogue, sql: str, plan: Node, functions: Sequence[FunctionFact]) -> Facts:
    read = {
        str(node["Alias"]): (str(node["Schema"]), str(node["Relation Name"]))
        for node in nodes(plan)
        if "Relation Name" in node and "Schema" in node
    }
    [(arrays, unions)] = named_queries.run(catalogue.conn, "unshown_parts")
    return Facts(
        tables=_tables(catalogue, read),
        reshaping=frozenset(fact.name for fact in functions if fact.reshapes),
        asked=_asking(catalogue, read),
        arrays_shown=catalogue.conn.server_version >= ARRAYS_SHOWN,
        arrays=arrays or _ARRAY.search(sql) is not None,
        unions=unions or _UNION.search(sql) is not None,
    )


def _asking(
    catalogue: Catalogue, read: dict[str, tuple[str, str]]
) -> Callable[[str], ColumnFact | None]:
    """Return a function that asks for the type of an expression over the tables of a plan."""
    sources = ", ".join(
        f"{'.'.join(map(queries.quote, place))} AS {queries.quote(alias)}"
        for alias, place in read.items()
    )

    def asked(expression: str) -> ColumnFact | None:
        catalogue.mark()
        try:
            sql = f"SELECT {expression} AS value{' FROM ' * bool(sources)}{sources}"
            (column,) = catalogue.describe_query(sql)
        except DatabaseError as error:
            if error.transient:
                raise
            catalogue.back_to_mark()
            return None
        return of_type(column.type_name)

    return asked


def _tables(catalogue: Catalogue, read: dict[str, tuple[str, str]]) -> dict[str, TableFact]:
    places = sorted(set(read.values()))
    named = {"schemas": [schema for schema, _ in places], "tables": [name for _, name in places]}
    columns: list[dict[str, ColumnFact]] = [{} for _ in places]
    for place, name, type_name, kind, same in named_queries.run(
        catalogue.conn, "plan_columns", named
    ):
        columns[place - 1][name] = _column(type_name, kind, deterministic=same)
    found = {}
    for place, known in zip(places, columns, strict=True):
        table = catalogue.relation(".".join(map(queries.quote, place)))
        found[place] = TableFact(known, () if table is None else table.unique_keys)
    return {alias: found[place] for alias, place in read.items()}


def _column(type_name: str, kind: str, *, deterministic: bool) -> ColumnFact:
    known = of_type(type_name)
    if known is not None:
        return known
    base = _MODIFIED.sub("", type_name)
    padded = base == "character" and type_name != base
    same = kind == "e" or (deterministic and (base in _TEXTS or padded))
    return ColumnFact(identical=same, by_modifier=padded, exact=False)


def of_type(type_name: str) -> ColumnFact | None:
    """Return what is known of values by the name of their type alone; not so of texts."""
    base = _MODIFIED.sub("", type_name)
    if base.endswith("[]"):  # two arrays are equal where their bounds are, and each element
        element = of_type(type_name.removesuffix("[]"))
        return None if element is None else replace(element, exact=False)
    scaled = base == "numeric" and type_name != base
    if base not in _SAME and base not in _ADDED:
        return None
    return ColumnFact(base in _SAME or scaled, by_modifier=scaled, exact=base in _ADDED)
