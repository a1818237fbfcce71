"""The dialect of Oracle: its roles, and what it does without a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.base import Roles
from mapper_dask.dialects.oracle import (
    faults,
    flashback,
    literals,
    names,
    queries,
    remedies,
    row_refusals,
    session,
    staging,
    types,
)
from mapper_dask.dialects.oracle.source import OracleSource
from mapper_dask.dialects.oracle.store import OracleStore
from mapper_dask.dialects.oracle.target import OracleTarget
from mapper_dask.errors import PlanError
from mapper_dask.schema.facts import Capabilities, Column, SourceQuery, Splice, TypeFamily


class Oracle:
    """The dialect of Oracle 12.1 and later, through python-oracledb in its thin mode."""

    name = "oracle"
    roles = Roles(OracleSource, OracleTarget, OracleStore)
    grammar = flashback.GRAMMAR
    read_wire = "Arrow fetch"
    drivers: tuple[str, ...] = ("oracledb",)
    capabilities = Capabilities(
        snapshots=True,
        row_addresses=True,
        counts_touched_rows=False,
        relay=False,
        kept_snapshots=False,
        numbered_blocks=False,
        indexed_nulls=False,
        transactional_ddl=False,
        direct_path=True,
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
    quote = staticmethod(names.quote)
    literal = staticmethod(literals.literal)

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier of a query's text as this library shows it."""
        return names.folded(identifier if quoted else identifier.upper())

    ddl_type = staticmethod(types.ddl_type)

    def unfreezable(self, sql: str) -> str:
        """Return why a query cannot be read as of an SCN; empty when it can."""
        return flashback.places(sql.strip().rstrip("; \t\r\n")).problem

    def as_of(self, query: SourceQuery, snapshot: str | None) -> SourceQuery:
        """Return a query with ``AS OF SCN`` behind each of its tables."""
        if snapshot is None:
            return query
        found = flashback.places(query.sql)
        if found.problem:
            message = f"source_sql cannot be read as of an SCN: {found.problem}"
            raise PlanError(message, field="source_sql")
        frozen = flashback.with_clause(query.sql, found.ends, snapshot)
        return replace(query, sql=frozen, splice=_frozen_splice(query.splice, found.ends, snapshot))

    def whole_table(self, table: str) -> str:
        """Return the expression of a whole table, unrestricted, in a splice."""
        return f"(SELECT * FROM {table})"

    sampled = staticmethod(queries.sampled)
    first_rows = staticmethod(queries.first_rows)

    def chunk_column(self, name: str) -> Column:
        """Return the column of that name that holds a row's chunk."""
        kind = f"NUMBER({staging.CHUNK_DIGITS})"
        return Column(name, kind, TypeFamily.INTEGER, pa.int64(), staging.CHUNK_DIGITS, 0)

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return how rows are bound."""
        del columns
        return "array DML"

    def relay_format(self, source: Sequence[Column], target: Sequence[Column]) -> str | None:
        """Return None: rows are decoded, whatever their types."""
        del source, target
        return None


def _frozen_splice(splice: Splice | None, ends: Sequence[int], scn: str) -> Splice | None:
    """Return a splice whose table and whose surroundings are read as of an SCN."""
    if splice is None:
        return None
    table_end = len(splice.before) + len(splice.table)
    before = tuple(end for end in ends if end <= len(splice.before))
    table = tuple(end - len(splice.before) for end in ends if len(splice.before) < end <= table_end)
    after = tuple(end - table_end for end in ends if end > table_end)
    return replace(
        splice,
        before=flashback.with_clause(splice.before, before, scn),
        table=flashback.with_clause(splice.table, table, scn),
        after=flashback.with_clause(splice.after, after, scn),
    )
