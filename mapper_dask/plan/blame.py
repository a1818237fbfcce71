"""Explains a database's refusal of a query: the place in the user's text, and the remedy.

A query is sent as the user's text within text of ours, with values in the places of its marks. A
place is named only where it lies in what the user wrote.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.source import Source
from mapper_dask.errors import DatabaseError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan import params
from mapper_dask.query_text.refusals import AS_SAID, SOURCE_SQL, Refusal

LONGEST = 60
"""Characters of a line that are shown, around the place."""

_VALUE = re.compile(r': ".*"', re.DOTALL)
"""The values of a row in an error of PostgreSQL."""

ROW_FAILS = "it fails at one of the query's rows: leave such rows out, or mend them there"

_NOT_SHOWN = re.compile(r"://|\$\w*\$|\bq'", re.IGNORECASE)
"""What may hold a secret, or a literal in another form than between quotes."""

_LITERAL = re.compile(r"'(?:[^']|'')*'")


def blamed(source: Source, sql: str, error: DatabaseError) -> DatabaseError:
    """Return a refusal of a query with the field and the remedy; of anything else, as it is.

    Parameters
    ----------
    conn
        Where it was refused. Its transaction ends: nothing more is read in it.
    sql
        What was refused, with the values of its params.
    """
    if error.transient or error.details.get("interrupted") or "said" not in error.details:
        return error
    refusal = Refusal(str(error.details["said"]))
    with contextlib.suppress(DatabaseError), source.errors():
        refusal = source.remedy(sql, error)
    made = {"field": refusal.field, "said": refusal.said, "remedy": refusal.remedy}
    details = {**error.details, **made}
    if refusal.position != AS_SAID:
        details["position"] = refusal.position
    return type(error)(_message(refusal, "", error.sqlstate), **details)


@contextlib.contextmanager
def in_users_text(job: MapperJob, source: ConnectionRef) -> Iterator[None]:
    """Add the place in the user's text to the error of a refused query.

    Parameters
    ----------
    job
        As it was given: the values of its params are not in its query yet.
    """
    try:
        yield
    except DatabaseError as error:
        details = error.details
        if details.get("field") != SOURCE_SQL or "remedy" not in details:
            raise
        where = _where(job, source, details.get("position"))
        refusal = Refusal(str(details["said"]), str(details["remedy"]))
        raise type(error)(_message(refusal, where, error.sqlstate), **details) from None


@contextlib.contextmanager
def while_cut(dialect: Dialect) -> Iterator[None]:
    """Name the query's field where the database fails at one of its rows while it is cut.

    What was sent is a text of ours around the query, so no place in it means anything.
    """
    try:
        yield
    except DatabaseError as error:
        details = error.details
        explained = "field" in details or "said" not in details
        if (
            explained
            or error.transient
            or details.get("interrupted")
            or type(error) is not DatabaseError
        ):
            raise
        remedy = dialect.advice(str(error.sqlstate)) or ROW_FAILS
        said = _VALUE.sub(': "…"', str(details["said"]))
        message = f"{SOURCE_SQL}: {said}; {remedy} [{error.sqlstate}]"
        raise DatabaseError(message, **{**details, "said": said, "field": SOURCE_SQL}) from None


def _where(job: MapperJob, source: ConnectionRef, position: int | None) -> str:
    """Return line and column in the user's text, and the line; empty where they are not known."""
    if position is None:
        return ""
    dialect = dialect_for(source)
    place = position - 1
    if job.params is not None:
        origin = params.origin(job.source_sql, job.params, dialect.grammar, dialect.literal, place)
        if origin is None:
            return ""
        place = origin
    return placed(job.source_sql, place)


def placed(sql: str, place: int) -> str:
    """Return a place in a text as line and column, and the line itself.

    Parameters
    ----------
    place
        Characters before it. One behind the text's end is at its end.
    """
    if place >= len(sql.rstrip()):
        return ", at its end"
    before = sql[:place]
    line, column = before.count("\n") + 1, place - (before.rfind("\n") + 1)
    text = sql.split("\n")[line - 1].rstrip("\r")
    shown = _line(text, column) if "\n" in sql.strip() or len(sql) > LONGEST else ""
    return f", line {line}, column {column + 1}" + (f" ({shown})" if shown else "")


def _line(text: str, column: int) -> str:
    """Return a line around a column, without literals; empty where these are not recognized.

    Nor is one shown that holds an address, which may contain a password.
    """
    if text.count("'") % 2 or _NOT_SHOWN.search(text):
        return ""
    masked = _LITERAL.sub(lambda found: "'" + "…" * (len(found[0]) - 2) + "'", text)
    start = max(0, min(column - LONGEST // 2, len(masked) - LONGEST))
    part = masked[start : start + LONGEST]
    part = re.sub("…+", "…", part.strip())
    head = "… " if start and not part.startswith("…") else ""
    return f"{head}{part}{' …' if start + LONGEST < len(masked.rstrip()) else ''}"


def _message(refusal: Refusal, where: str, sqlstate: str | None) -> str:
    remedy = f"; {refusal.remedy}" if refusal.remedy else ""
    return f"{refusal.field}{where}: {refusal.said}{remedy} [{sqlstate}]"
