"""What the library asks of every kind of database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar

import sqlalchemy as sa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.session import Driver
from mapper_dask.dialects.source import Source
from mapper_dask.dialects.store import Store
from mapper_dask.dialects.target import Target
from mapper_dask.errors import ConfigurationError
from mapper_dask.schema.facts import Capabilities, Column, SourceQuery

Role_co = TypeVar("Role_co", covariant=True)

Opens = Callable[["Dialect", Driver, sa.URL | None], Role_co]
"""Makes a session of some role from an open connection."""


def _only_read(dialect: Dialect, conn: Driver, url: sa.URL | None) -> NoReturn:
    del conn, url
    message = (
        f"target_conn: a {dialect.name} database can only be read: it takes no rows, and keeps no "
        "ledger; give one that can be written to"
    )
    raise ConfigurationError(message, field="target_conn")


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a kind of database; one that can only be read is a source alone."""

    source: Opens[Source]
    target: Opens[Target] = _only_read
    store: Opens[Store] = _only_read


class Dialect(Protocol):
    """The part of a kind of database that needs no connection."""

    name: str
    grammar: str
    """Name under which sqlglot reads its SQL."""
    read_wire: str
    """How rows come out into Arrow, as a plan shows it."""
    drivers: tuple[str, ...]
    capabilities: Capabilities
    roles: Roles

    def advice(self, code: str) -> str:
        """Return what to do about an error of that code, whatever the query; empty for most."""
        ...

    def row_advice(self, code: str) -> str:
        """Return what to do about a row that a target refused for a code; empty for most."""
        ...

    def is_duplicate(self, code: str) -> bool:
        """Return whether a row was refused for its key, which another row has."""
        ...

    def is_denied(self, code: str) -> bool:
        """Return whether a statement was refused for rights that are lacking."""
        ...

    def constraint_of(self, said: str) -> str:
        """Return the constraint that such a refusal names, as the catalogue has it; or nothing."""
        ...

    def connect_args(self) -> ConnectArgs:
        """Return the arguments of every connection: timeouts, keepalives."""
        ...

    def errors(self, url: sa.URL | None = None, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's, secrets masked."""
        ...

    def quote(self, identifier: str) -> str:
        """Return an identifier as SQL writes it."""
        ...

    def literal(self, value: Any) -> str:
        """Return a value of a job's params as SQL writes it, of its own type and exact."""
        ...

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier of a query's text as this library shows it."""
        ...

    def ddl_type(self, column: Column) -> str:
        """Return a type of this database that holds a column of another one."""
        ...

    def unfreezable(self, sql: str) -> str:
        """Return why a query cannot be read in a snapshot; empty when it can."""
        ...

    def as_of(self, query: SourceQuery, snapshot: str | None) -> SourceQuery:
        """Return a query that reads a snapshot, where the session alone does not see to it."""
        ...

    def whole_table(self, table: str) -> str:
        """Return the expression of a whole table, unrestricted, in a splice."""
        ...

    def sampled(self, query: SourceQuery, percent: float) -> str:
        """Return the query over a random share of its rows."""
        ...

    def first_rows(self, sql: str, rows: int) -> str:
        """Return a query for at most some rows of a query."""
        ...

    def chunk_column(self, name: str) -> Column:
        """Return the column of a staging table that holds a row's chunk, under that name."""
        ...

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return how Arrow rows go into columns, as a plan shows it."""
        ...

    def relay_format(self, source: Sequence[Column], target: Sequence[Column]) -> str | None:
        """Return how bytes may pass undecoded between columns, None when they may not."""
        ...
