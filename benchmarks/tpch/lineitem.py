"""The table, the two workloads, and what SQL makes of them. Pure: it only composes texts."""

from __future__ import annotations

from typing import Literal

Workload = Literal["identity", "transform"]
WORKLOADS: tuple[Workload, ...] = ("identity", "transform")

COLUMNS = {
    "l_orderkey": "bigint",
    "l_partkey": "int",
    "l_suppkey": "int",
    "l_linenumber": "int",
    "l_quantity": "numeric(15, 2)",
    "l_extendedprice": "numeric(15, 2)",
    "l_discount": "numeric(15, 2)",
    "l_tax": "numeric(15, 2)",
    "l_returnflag": "char(1)",
    "l_linestatus": "char(1)",
    "l_shipdate": "date",
    "l_commitdate": "date",
    "l_receiptdate": "date",
    "l_shipinstruct": "char(25)",
    "l_shipmode": "char(10)",
    "l_comment": "varchar(44)",
}
"""TPC-H's lineitem, every column NOT NULL."""

NUMERICS = tuple(name for name, kind in COLUMNS.items() if kind.startswith("numeric"))

ROWS_AT_SCALE_1 = 6_001_215

TARGETS = {
    "copied": "identity",
    "revenues": "transform",
    "copied_floats": "identity",
    "revenues_floats": "transform",
}
"""The target tables. Those of floats take the numerics of a way that cannot keep them."""

TEN_THOUSANDTHS = {
    "source": "(l_extendedprice * (1 - l_discount) * 10000)::bigint",
    "target": "round(revenue * 10000)::bigint",
}
"""A price of two decimals times a discount of two has four. So a double that is right up to its
last bits gives the same whole number; one that is wrong by 0.00005 does not."""


def source_table(rows: int) -> str:
    """Return the name of the table that holds the first so many rows."""
    return f"lineitem_{rows}"


def half_tables(table: str) -> tuple[str, str]:
    """Return the names of two tables that hold the halves of a table."""
    return f"{table}_half_1", f"{table}_half_2"


def create_table(name: str, *, floats: bool = False, revenue: bool = False) -> str:
    """Return the CREATE TABLE of a lineitem, without an index."""
    kinds = dict(COLUMNS)
    if floats:
        kinds |= dict.fromkeys(NUMERICS, "double precision")
    if revenue:
        kinds["revenue"] = "double precision"
    body = ", ".join(f"{column} {kind} NOT NULL" for column, kind in kinds.items())
    return f"CREATE TABLE {name} ({body})"


def create_targets() -> list[str]:
    """Return the CREATE TABLEs of all targets."""
    return [
        create_table(name, floats=name.endswith("floats"), revenue=workload == "transform")
        for name, workload in TARGETS.items()
    ]


def expected(table: str, workload: Workload) -> str:
    """Return the query for (rows, digest) of what a workload makes of a source table."""
    values = {name: f"{name}::{kind}" for name, kind in COLUMNS.items()}
    if workload == "identity":
        return digest(table, values)
    values["l_comment"] = "upper(l_comment)::varchar(44)"
    values["revenue"] = TEN_THOUSANDTHS["source"]
    return digest(table, values, "WHERE l_linenumber < 7")


def loaded(table: str, workload: Workload) -> str:
    """Return the query for (rows, digest) of what stands in a target table.

    Each column is cast to the type it had, which does nothing where it still has it.
    """
    values = {name: f"{name}::{kind}" for name, kind in COLUMNS.items()}
    if workload == "transform":
        values["revenue"] = TEN_THOUSANDTHS["target"]
    return digest(table, values)


def digest(table: str, values: dict[str, str], where: str = "") -> str:
    """Return the query for the number of rows and a digest of them in any order.

    The hash of a record is a sum over its columns, 31 times one plus the next. So a sum of such
    hashes stays the same when two rows exchange their values of a column; hashed once more it
    does not.
    """
    row = f"hashint8extended(hash_record_extended(ROW({', '.join(values.values())}), 0), 0)"
    return f"SELECT count(*), sum({row}) FROM {table} {where}"
