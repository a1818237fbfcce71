"""Explains a database's refusal of a chunk: which field caused it, and the remedy. Pure."""

from __future__ import annotations

from collections.abc import Callable

from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import DatabaseError
from mapper_dask.schema.facts import TargetTable
from mapper_dask.schema.row_refusals import APART

OF_TARGET = "of_target"
"""Detail of an error that was met in a target's transaction, and not by a source that it reads."""


def of_query(
    error: DatabaseError, dialect: Dialect, asked: Callable[[DatabaseError], str]
) -> DatabaseError:
    """Return the error of a refused query with its field and remedy; any other as it is.

    Parameters
    ----------
    asked
        Returns the catalogue's remedy for missing rights.
    """
    code = str(error.sqlstate)
    if _is_explained(error) or error.details.get(OF_TARGET):
        return error
    remedy = asked(error) if dialect.is_denied(code) else dialect.advice(code)
    if not remedy:
        return error
    said = str(error.details.get("said", ""))
    return _explained(error, "source_sql", f"source_sql: {said}; {remedy}")


def is_duplicate(error: DatabaseError, dialect: Dialect) -> bool:
    """Return whether a target refused a row for its key, and the error is not explained yet."""
    return _is_unexplained_of_target(error) and dialect.is_duplicate(str(error.sqlstate))


def is_denied(error: DatabaseError, dialect: Dialect) -> bool:
    """Return whether a target refused a load for a missing right, not explained yet."""
    return _is_unexplained_of_target(error) and dialect.is_denied(str(error.sqlstate))


def of_right(error: DatabaseError, statements: list[str]) -> DatabaseError:
    """Return what to grant for a load that was refused."""
    said = str(error.details.get("said", ""))
    remedy = f"let somebody who may grant it run: {'; '.join(statements)}"
    return _explained(error, "target_conn", f"target_conn: {said}; {remedy}")


def of_duplicate(error: DatabaseError, table: TargetTable, key: tuple[str, ...]) -> DatabaseError:
    """Return the error of a row that was refused for its key, with the remedy.

    Parameters
    ----------
    key
        Columns of the key that was broken; empty where the error names none of this table's.
    """
    if table.staging is not None:
        return _twice_in_query(error, table, key)
    said, keys = str(error.details.get("said", "")), table.unique_keys
    key = key or (keys[0] if len(keys) == 1 else ())
    of_key = f" ({', '.join(key)})" if key else ""
    return _explained(
        error,
        "write_disposition",
        f"target_table {table.quoted}: {said}{of_key}; a row with that key is there already, or "
        f"comes twice: {_merged(table, key)}{APART}",
    )


def _merged(table: TargetTable, key: tuple[str, ...]) -> str:
    """Return how a merge would load such rows; empty if none can by that key."""
    if key and set(key) not in [set(unique) for unique in table.unique_keys]:
        return ""
    by = "" if not key or set(key) == set(table.primary_key) else f", primary_key={list(key)!r}"
    return f"give write_disposition='merge'{by}, or "


def _twice_in_query(
    error: DatabaseError, table: TargetTable, key: tuple[str, ...]
) -> DatabaseError:
    """Return the remedy for staged rows, where only rows of this query are.

    The names of the staging table and its indexes are ours, so messages do not show them.
    """
    merged = set(table.staged_key)
    if merged and set(key or table.staged_key) == merged:
        names = ", ".join(table.staged_key)
        return _explained(
            error,
            "newest_by",
            f"newest_by: several rows of the query have the same {names}, and a merge takes one of "
            f"them: give newest_by='…', a column whose greatest value wins, or a query with each "
            f"{names} once",
        )
    if key:
        names = ", ".join(key)
        return _explained(
            error,
            "source_sql",
            f"source_sql: the same {names} comes twice in the query, and is unique in target_table "
            f"{table.quoted}: give a query with each {names} once, or {APART}",
        )
    return _explained(
        error,
        "source_sql",
        f"source_sql: a row comes twice in the query, by a unique key of target_table "
        f"{table.quoted}: give a query with each key once, or {APART}",
    )


def _is_unexplained_of_target(error: DatabaseError) -> bool:
    return not _is_explained(error) and bool(error.details.get(OF_TARGET))


def _is_explained(error: DatabaseError) -> bool:
    return error.transient or "field" in error.details or type(error) is not DatabaseError


def _explained(error: DatabaseError, field: str, message: str) -> DatabaseError:
    return DatabaseError(f"{message} [{error.sqlstate}]", **{**error.details, "field": field})
