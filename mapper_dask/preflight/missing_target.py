"""The error of a target that is not found, with similar names from the catalogue."""

from __future__ import annotations

import contextlib

from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.target import Target
from mapper_dask.errors import DatabaseError, TargetError
from mapper_dask.resolved_job import ResolvedJob
from mapper_dask.schema.facts import SourceQuery
from mapper_dask.schema.nearby import MissingTarget, Near, candidates, why_missing


def missing(given: ResolvedJob, session: Target, query: SourceQuery) -> TargetError:
    """Return the error of a job's target that is not found, with a remedy."""
    job, dialect = given.job, session.dialect
    kin = dialect_for(given.source).name == dialect.name
    columns = ", ".join(
        f"{dialect.quote(c.name)} {c.type_name if kin else dialect.ddl_type(c)}"
        for c in query.columns
    )
    wanted = MissingTarget(
        job.target_schema,
        str(job.target_table),
        str(given.target),
        columns,
        lambda name: _quoted(dialect, name),
        lambda name: dialect.folded(name, quoted=True),
    )
    found: list[Near] = []
    with contextlib.suppress(DatabaseError), session.errors():  # the error needs no similar names
        found = _found(session, wanted)
    return TargetError(why_missing(wanted, found), field="target_table")


def _quoted(dialect: Dialect, name: str) -> str:
    """Return a name as in SQL; unchanged if it is not a valid name in this database."""
    try:
        return dialect.quote(name)
    except ValueError:
        return name


def _found(target: Target, wanted: MissingTarget) -> list[Near]:
    names = candidates(wanted.name)
    values = {"schema": wanted.schema, "names": names, "name": names[0], "part": names[-1]}
    rows = target.run("near_targets", values)
    return [
        Near(str(schema), None if name is None else str(name), str(kind), bool(reachable))
        for schema, name, kind, reachable in rows
    ]
