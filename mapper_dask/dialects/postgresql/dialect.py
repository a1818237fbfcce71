"""The dialect of PostgreSQL: its roles, and what it does without a connection."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.base import Roles
from mapper_dask.dialects.postgresql import (
    faults,
    literals,
    queries,
    remedies,
    row_refusals,
    session,
    transfer,
    types,
)
from mapper_dask.dialects.postgresql.source import PostgreSQLSource
from mapper_dask.dialects.postgresql.store import PostgreSQLStore
from mapper_dask.dialects.postgresql.target import PostgreSQLTarget
from mapper_dask.schema.facts import Capabilities, Column, SourceQuery, TypeFamily


class PostgreSQL:
    """The dialect of PostgreSQL 11 and later, through psycopg2."""

    name = "postgresql"
    roles = Roles(PostgreSQLSource, PostgreSQLTarget, PostgreSQLStore)
    grammar = "postgres"
    read_wire = "COPY text"
    drivers: tuple[str, ...] = ("psycopg2",)
    capabilities = Capabilities(
        snapshots=True, row_addresses=True, relay=True, colon_casts=True, json_in_ascii=False
    )

    def connect_args(self) -> ConnectArgs:
        """Return the arguments of every connection."""
        return session.CONNECT

    errors = staticmethod(faults.translated)
    advice = staticmethod(remedies.advice)
    row_advice = staticmethod(row_refusals.advice)
    is_duplicate = staticmethod(remedies.is_duplicate)
    constraint_of = staticmethod(remedies.constraint_of)
    is_denied = staticmethod(remedies.is_denied)
    quote = staticmethod(queries.quote)
    literal = staticmethod(literals.literal)

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier as the database holds it: unquoted ones fold to lower case."""
        return identifier if quoted else identifier.lower()

    ddl_type = staticmethod(types.ddl_type)

    def unfreezable(self, sql: str) -> str:
        """Return nothing: a session in a snapshot reads all of it."""
        del sql
        return ""

    def as_of(self, query: SourceQuery, snapshot: str | None) -> SourceQuery:
        """Return the query as it is: the session reads in the snapshot."""
        del snapshot
        return query

    whole_table = staticmethod(queries.whole_table)
    sampled = staticmethod(queries.sampled)

    def first_rows(self, sql: str, rows: int) -> str:
        """Return a query for some rows of a query."""
        return f"{queries.wrapped(sql)} LIMIT {int(rows)}"

    def chunk_column(self, name: str) -> Column:
        """Return the column of that name that holds a row's chunk."""
        return Column(name, "integer", TypeFamily.INTEGER, pa.int32(), native=True)

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return the format of the COPY that loads these columns from Arrow."""
        return f"COPY {transfer.load_format(columns)}"

    relay_format = staticmethod(transfer.relay_format)
