"""Opens the database of a reference in a role, and closes it again.

A session commits nothing by itself: its caller decides when.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from mapper_dask.connections.pool import engine_for, raw_connection, redacted
from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Opens, Roles
from mapper_dask.dialects.session import Session
from mapper_dask.dialects.source import Source
from mapper_dask.dialects.store import Store
from mapper_dask.dialects.target import Target
from mapper_dask.errors import MapperError

S = TypeVar("S", bound=Session)

_WORDS = {"said", "remedy"}
"""Details of an error that hold what a database said, and what was made of it."""


@contextlib.contextmanager
def _opened(
    ref: ConnectionRef, field: str, role: Callable[[Roles], Opens[S]], *, kept: bool = False
) -> Iterator[S]:
    dialect = dialect_for(ref, field)
    engine = engine_for(ref, connect_args=dialect.connect_args())
    with raw_connection(engine, field) as conn:
        session = role(dialect.roles)(dialect, conn, engine.url)
        with _masked() if kept else session.errors(masked=True):
            yield session


@contextlib.contextmanager
def _masked() -> Iterator[None]:
    """Mask the secrets in errors that leave a session in which they were translated unmasked."""
    try:
        yield
    except MapperError as error:
        error.message = redacted(error.message)
        error.args = (error.message,)
        for detail in _WORDS & error.details.keys():  # of which a message may be made again
            error.details[detail] = redacted(str(error.details[detail]))
        raise


def open_source(
    ref: ConnectionRef, field: str = "", *, kept: bool = False
) -> contextlib.AbstractContextManager[Source]:
    """Open a database to read it.

    Parameters
    ----------
    field
        The argument the reference was given as, for the error; empty where nobody gave one.
    kept
        Whether the session stays open while other code runs, the user's included. Then errors are
        translated only within its own ``errors``: those of other code are not its own.
    """
    return _opened(ref, field, lambda roles: roles.source, kept=kept)


def open_target(ref: ConnectionRef, field: str = "") -> contextlib.AbstractContextManager[Target]:
    """Open a database whose tables take rows; ``field`` as above."""
    return _opened(ref, field, lambda roles: roles.target)


def open_store(ref: ConnectionRef, field: str = "") -> contextlib.AbstractContextManager[Store]:
    """Open a database that keeps a ledger; ``field`` as above."""
    return _opened(ref, field, lambda roles: roles.store)
