"""How each database says it. Outside this folder nobody asks which database it is."""

from __future__ import annotations

from mapper_dask.connections import ConnectionRef
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.oracle import Oracle
from mapper_dask.dialects.postgresql import PostgreSQL
from mapper_dask.errors import ConfigurationError

_DIALECTS: dict[str, Dialect] = {"oracle": Oracle(), "postgresql": PostgreSQL()}


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
    dialect = _DIALECTS.get(url.get_backend_name())
    if dialect is None:
        known = ", ".join(sorted(_DIALECTS))
        message = f"{named}{ref} is a {url.get_backend_name()} database; this version knows {known}"
        raise ConfigurationError(message, field=field)
    if url.get_driver_name() not in dialect.drivers:
        message = f"{named}{ref} names the driver {url.get_driver_name()!r}; use {dialect.name}+{dialect.drivers[0]}://"
        raise ConfigurationError(message, field=field)
    return dialect
