"""Explains rows that a target refuses for their values: the field, and the remedy. Pure."""

from __future__ import annotations

from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import DatabaseError, EncodeError
from mapper_dask.schema.facts import TargetTable
from mapper_dask.schema.row_refusals import RULE

FIELD = "target_table"


def of_row(error: Exception, dialect: Dialect, table: TargetTable) -> Exception:
    """Return the error of a refused row with field and remedy; any other as it is."""
    if not isinstance(error, (DatabaseError, EncodeError)) or "field" in error.details:
        return error
    details = {**error.details, "field": FIELD}
    if isinstance(error, EncodeError):
        return EncodeError(f"{FIELD} {table.quoted}: {error}; {RULE}", **details)
    remedy = "" if error.transient else dialect.row_advice(str(error.sqlstate))
    if not remedy or type(error) is not DatabaseError:
        return error
    said = details.get("said", "")
    return DatabaseError(f"{FIELD} {table.quoted}: {said}; {remedy} [{error.sqlstate}]", **details)
