"""The dialect of each database. Outside this folder no code asks which database it is."""

from __future__ import annotations

import functools

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.base import Dialect
from mapper_dask.errors import ConfigurationError

KNOWN = {"postgresql": "psycopg2", "oracle": "oracledb"}
"""The supported databases, each with its driver."""


@functools.cache
def _dialect(name: str) -> Dialect:
    """Return a dialect; imports its driver, and no other."""
    if name == "oracle":
        from mapper_dask.dialects.oracle import Oracle

        return Oracle()
    from mapper_dask.dialects.postgresql import PostgreSQL

    return PostgreSQL()


def dialect_for(ref: ConnectionRef, field: str = "") -> Dialect:
    """Return the dialect of the database a reference leads to.

    Parameters
    ----------
    ref
        The reference.
    field
        The argument it was given as, for the error.

    Raises
    ------
    ConfigurationError
        When there is none for it, or its driver is not the one this library speaks to.
    """
    url = ref.resolve()
    named = f"{field}: " if field else ""
    name = url.get_backend_name()
    if name not in KNOWN:
        begins = " or ".join(f"{known}+{driver}://" for known, driver in KNOWN.items())
        message = (
            f"{named}{ref} is a {name} database; this version knows {', '.join(sorted(KNOWN))}: "
            f"begin the URL with {begins}"
        )
        raise ConfigurationError(message, field=field)
    dialect = _dialect(name)
    if url.get_driver_name() not in dialect.drivers:
        message = f"{named}{ref} names the driver {url.get_driver_name()!r}; use {dialect.name}+{dialect.drivers[0]}://"
        raise ConfigurationError(message, field=field)
    return dialect
