"""A job as the ledger stores it: enough to resume it, and never a secret."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.errors import ConfigurationError, FingerprintError
from mapper_dask.ledger.run_record import RunState, StoredRun
from mapper_dask.mapper_job import FIELDS, MapperJob
from mapper_dask.mapping.transform import Transform, name_of
from mapper_dask.naming import fingerprint
from mapper_dask.parallel_models import Transformation

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""

_KEPT = [name for name, one in FIELDS.items() if one.read is not None]
_DIGESTED = sorted(
    (name for name, one in FIELDS.items() if one.digest), key=lambda name: FIELDS[name].digest
)

_PLANNED = (
    "source_conn", "key_column", "columns", "chunk_size", "target_schema", "target_table",
    "write_disposition", "primary_key", "transformation_logic",
)  # fmt: skip
"""Parts of a job that a saved plan depends on; the plan itself holds the query."""


def record(job: MapperJob, source: ConnectionRef) -> dict[str, Any]:
    """Return a job as JSON; its connections and function only where they have a name."""
    return {
        **{name: FIELDS[name].written(getattr(job, name)) for name in _KEPT},
        "source_conn": source.portable,
        "transformation_logic": function_name(job.transformation_logic),
    }


def _identity(job: MapperJob, source: ConnectionRef) -> dict[str, Any]:
    """Return the fields that distinguish a job from another."""
    own = {name: FIELDS[name].digested(getattr(job, name)) for name in _DIGESTED}
    named = function_name(job.transformation_logic)
    return {**own, "source_conn": source.address, "transformation_logic": named}


def job_fingerprint(job: MapperJob, source: ConnectionRef) -> str:
    """Return a digest of what a job reads, from where, how it cuts it and where it writes.

    The function counts by its name only, so a run can be resumed with a corrected one.
    """
    return fingerprint(*_identity(job, source).values())


def moves(job: MapperJob, source: ConnectionRef, target: str | None) -> str:
    """Return a digest of which rows a job loads where, however it cuts and loads them.

    Parameters
    ----------
    target
        The table, quoted, with its schema.
    """
    sql = job.source_sql.strip().rstrip("; \n\t")
    return fingerprint("moves", source.address, sql, job.columns and tuple(job.columns), target)


def marks(job: MapperJob, source: ConnectionRef) -> dict[str, str]:
    """Return a digest of each part of a job that a saved plan depends on."""
    parts = {name: _identity(job, source)[name] for name in _PLANNED}
    return {n: fingerprint(n, list(v) if isinstance(v, tuple) else v) for n, v in parts.items()}


def require_marks(job: MapperJob, source: ConnectionRef, planned: Mapping[str, str]) -> None:
    """Refuse a job that is not the one a plan was made for; a plan without marks fits any.

    Raises
    ------
    FingerprintError
        Names what differs.
    """
    now = marks(job, source)
    differing = [name for name in now if name in planned and now[name] != planned[name]]
    if differing:
        message = (
            f"the plan was made of another job: its {', '.join(differing)} differ. Plan the job "
            "again, or give it as it was"
        )
        raise FingerprintError(message, field=differing[0])


def require_same(job: MapperJob, source: ConnectionRef, stored: StoredRun) -> None:
    """Refuse a job that is not the one of a run, and a run that cannot be resumed.

    Raises
    ------
    FingerprintError
        When the digests differ.
    ConfigurationError
        When the run's staged rows were removed.
    """
    run_id = stored.run_id
    if stored.state is RunState.DISCARDED:
        message = (
            f"run_id {run_id!r} cannot go on: it had stood still so long that its staged rows "
            "were removed. Use a new run_id"
        )
        raise ConfigurationError(message, field="run_id", run_id=run_id)
    if job_fingerprint(job, source) != stored.fingerprint:
        message = (
            f"run_id {run_id!r} belongs to another job: its source's address, query, key, "
            "chunk_size, target or the name of its function differ. Use a new run_id, or give "
            "the job as it was"
        )
        raise FingerprintError(message, field="run_id", run_id=run_id)


def restored(
    stored: Mapping[str, Any],
    *,
    run_id: str,
    target_conn: Any,
    source_conn: Any,
    transformation_logic: Transformation | None,
) -> MapperJob:
    """Return the job of a stored run.

    Raises
    ------
    ConfigurationError
        When its source or its function could not be stored and is not given again.
    """
    source = source_conn if source_conn is not None else stored["source_conn"]
    if source is None:
        message = (
            f"run {run_id!r} read from a connection with a password, which is never "
            "stored: pass source_conn"
        )
        raise ConfigurationError(message, field="source_conn")
    values = {name: stored[name] for name in _KEPT}
    function = transformation_logic or _imported(stored["transformation_logic"], run_id)
    return MapperJob(
        **values,
        source_conn=source,
        target_conn=target_conn,
        transformation_logic=function,
        run_id=run_id,
    ).validated()


def function_name(function: Callable[..., Any] | None) -> str | None:
    """Return ``module:qualified.name`` of a function, None without one."""
    if function is None:
        return None
    if isinstance(function, Transform):
        return function.name
    return name_of(function)


def _imported(name: str | None, run_id: str) -> Transformation | None:
    """Return the function that the ledger names, if it is one of the user's own.

    A login that may write the ledger must not run programs here. So nothing of Python's own or of
    an installed package is imported for it: some of those run commands.
    """
    if name is None:
        return None
    module, _, path = name.partition(":")
    found: Any = None
    with contextlib.suppress(ImportError, AttributeError, ValueError):
        if is_users_own(module):
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
    if found is None or function_name(found) != name or isinstance(found, type):
        message = (
            f"run {run_id!r} used the function {name}, which is not taken from the ledger: it "
            "cannot be imported here, or not from a folder of yours: pass transformation_logic"
        )
        raise ConfigurationError(message, field="transformation_logic")
    return found  # type: ignore[no-any-return]


def is_users_own(module: str) -> bool:
    """Return whether a module is neither Python's nor installed: one of the user's own folders."""
    top = module.partition(".")[0]
    if top == "__main__" or top in sys.stdlib_module_names:
        return False
    spec = importlib.util.find_spec(top)
    if spec is None:
        return False
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    return not any(INSTALLED & set(Path(place).parts) for place in places if place)
