"""What a database refused of a chunk, with the field it came from and what to do. Pure."""

from __future__ import annotations

import re

from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.facts import TargetTable
from mapper_dask.errors import DatabaseError

_OF_LOADING = re.compile(r"(^|; )COPY \S+, line \d+")
"""The place of a COPY into a table: what was met there was met by the target."""


def of_query(error: DatabaseError, dialect: Dialect) -> DatabaseError:
    """Return what a chunk's query was refused for, named as that; anything else as it is."""
    said = str(error.details.get("said", ""))
    remedy = dialect.advice(str(error.sqlstate))
    if not remedy or _is_told(error) or _OF_LOADING.search(said):
        return error
    return _told(error, "source_sql", f"source_sql: {said}; {remedy}")


def of_load(error: DatabaseError, dialect: Dialect, table: TargetTable) -> DatabaseError:
    """Return what a chunk's rows were refused for, named as that; anything else as it is."""
    if _is_told(error) or not dialect.is_duplicate(str(error.sqlstate)):
        return error
    if table.staging is not None and table.staged_key:
        key = ", ".join(table.staged_key)
        return _told(
            error,
            "newest_by",
            f"newest_by: several rows of the query have the same {key}, and a merge takes one of "
            f"them: give newest_by='…', a column whose greatest value wins, or a query with each "
            f"{key} once",
        )
    said, keys = str(error.details.get("said", "")), table.unique_keys
    of_key = f" ({', '.join(keys[0])})" if len(keys) == 1 else ""
    return _told(
        error,
        "write_disposition",
        f"target_table {table.quoted}: {said}{of_key}; a row with that key is there already, or "
        "comes twice: give write_disposition='merge', or set such rows aside by reject_limit",
    )


def _is_told(error: DatabaseError) -> bool:
    return error.transient or "field" in error.details or type(error) is not DatabaseError


def _told(error: DatabaseError, field: str, message: str) -> DatabaseError:
    return DatabaseError(f"{message} [{error.sqlstate}]", **{**error.details, "field": field})
