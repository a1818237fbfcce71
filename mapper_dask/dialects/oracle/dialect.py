"""Oracle as the library sees it: the session, the plan, and what the files beside say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import oracledb
import pyarrow as pa
import sqlalchemy as sa

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.base import Watch
from mapper_dask.dialects.oracle import (
    catalogue,
    direct_path,
    encodings,
    explain,
    faults,
    flashback,
    literals,
    names,
    proof,
    publishing,
    queries,
    remedies,
    row_refusals,
    session,
    settings,
    staging,
    transfer,
    types,
)
from mapper_dask.dialects.oracle.definitions import Definitions
from mapper_dask.dialects.oracle.evidence import OracleEvidence
from mapper_dask.dialects.oracle.holdings import OracleHoldings
from mapper_dask.dialects.oracle.session import SessionSettings
from mapper_dask.dialects.oracle.staged_rows import OracleStagedRows
from mapper_dask.dialects.oracle.watermarks import OracleWatermarks
from mapper_dask.dialects.pouring import Pool
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Bound, Chunk
from mapper_dask.schema.batches import Most
from mapper_dask.schema.facts import (
    Aside,
    Capabilities,
    Column,
    Estimate,
    FunctionFact,
    Histogram,
    KeyMark,
    Loaded,
    Publication,
    Relation,
    Settings,
    SourceQuery,
    Splice,
    TargetTable,
)
from mapper_dask.schema.hazards import Unwatched

UNIQUE_VIOLATED = "ORA-00001"


class Oracle(Definitions, SessionSettings):
    """The dialect of Oracle 12.1 and later, through python-oracledb in its thin mode."""

    name = "oracle"
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

    @property
    def evidence(self) -> OracleEvidence:
        """What it tells of where rows come from."""
        return OracleEvidence(self.run)

    @property
    def staged_rows(self) -> OracleStagedRows:
        """What it does with rows that wait, where the target refuses some."""
        return OracleStagedRows(_held_place)

    def connect_args(self) -> ConnectArgs:
        """Return what every connection is opened with."""
        return session.CONNECT

    def errors(self, url: sa.URL | None = None, *, prefix: int = 0) -> AbstractContextManager[None]:
        """Return a context in which the driver's errors become this library's."""
        return faults.translated(url, prefix)

    remedy = staticmethod(remedies.remedy)
    advice = staticmethod(remedies.advice)
    row_advice = staticmethod(row_refusals.advice)
    is_duplicate = staticmethod(remedies.is_duplicate)
    constraint_of = staticmethod(remedies.constraint_of)
    is_denied = staticmethod(remedies.is_denied)

    def quote(self, identifier: str) -> str:
        """Return an identifier as SQL writes it."""
        return names.quote(identifier)

    literal = staticmethod(literals.literal)

    def folded(self, identifier: str, *, quoted: bool) -> str:
        """Return an identifier of a query's text as this library shows it."""
        return names.folded(identifier if quoted else identifier.upper())

    def ddl_type(self, column: Column) -> str:
        """Return a type that holds a column of another database."""
        return types.ddl_type(column)

    def run(
        self, conn: Any, name: str, params: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a named script; return the last statement's rows, or how many it changed."""
        fitting = encodings.of_query(conn, name)
        try:
            return fitting.rows(session.run(conn, name, fitting.params(params) or {}))
        except oracledb.IntegrityError as error:
            if name == "ledger_open_run" and faults.code_of(error) == UNIQUE_VIOLATED:
                return []  # another coordinator entered it in the same moment
            raise

    def run_each(self, conn: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a named statement once for each of some rows of bound values."""
        session.run_each(conn, name, encodings.of_query(conn, name).each(rows))

    # -- reading --------------------------------------------------------------------------------

    def begin_read(
        self, conn: Any, snapshot: str | None, application: str = "", like: Settings = ()
    ) -> None:
        """Begin to read. The snapshot is a part of each query: see ``as_of``."""
        del snapshot
        session.begin(conn, application, None, like)

    def ping(self, conn: Any) -> None:
        """Raise when the session is gone."""
        conn.ping()

    def export_snapshot(self, conn: Any) -> str | None:
        """Return the present state's system change number, None when the login may not read it."""
        return session.state_number(conn)

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

    def mark(self, conn: Any) -> None:
        """Do nothing: a statement that is refused undoes itself alone."""

    def back_to_mark(self, conn: Any) -> None:
        """Do nothing, as ``mark`` does."""

    def describe_query(self, conn: Any, sql: str) -> tuple[Column, ...]:
        """Return a query's columns without reading a row.

        Raises
        ------
        DatabaseError
            The database's own message for bad SQL.
        PlanError
            Names a column whose type cannot be read.
        """
        with conn.cursor() as cursor:
            with self.errors(prefix=len(queries.SELECT_ALL)):
                cursor.execute(f"{queries.wrapped(sql)} WHERE 1 = 0")
            return tuple(types.column_of_result(info) for info in cursor.description)

    def relation(self, conn: Any, table: str) -> Relation | None:
        """Return what the dictionary knows of a table as a FROM clause writes it."""
        return catalogue.relation(conn, table)

    def functions(self, conn: Any, names: Sequence[str]) -> tuple[FunctionFact, ...]:
        """Return what is known of functions by these names that matter to a plan."""
        return catalogue.functions(conn, names)

    def whole_table(self, table: str) -> str:
        """Return the table expression that stands for a table, unrestricted, in a splice."""
        return f"(SELECT * FROM {table})"

    def estimate(self, conn: Any, sql: str) -> Estimate:
        """Return what the optimizer expects; where it may not be asked, the rows are counted."""
        return explain.estimate(conn, sql) or Estimate(self.count(conn, sql)[0])

    def doubt(
        self, conn: Any, sql: str, estimate: Estimate, functions: Sequence[FunctionFact]
    ) -> str | None:
        """Return what is not shown of the names in a query; None where its text has to tell."""
        del estimate, functions
        return proof.doubt(conn, sql) or None

    def count(self, conn: Any, sql: str, keys: Sequence[str] = ()) -> tuple[int, int]:
        """Return a query's rows, and those among them that have every key."""
        ((total, keyed),) = _fetched(conn, queries.count(sql, keys))
        return int(total), int(keyed)

    def digest(self, conn: Any, sql: str, *, wanted: bool) -> tuple[int, str | None]:
        """Return a query's rows and, if wanted, two sums of hashes over them, in any order.

        Raises
        ------
        PlanError
            When a column holds large objects, which the database does not hash.
        """
        if not wanted:
            return self.count(conn, sql)[0], None
        columns = self.describe_query(conn, sql)
        large = [c.name for c in columns if c.type_name in types.LARGE]
        if large:
            message = f"checksum: Oracle hashes no large objects: {', '.join(large)}"
            raise PlanError(message, field="checksum")
        ((rows, digest),) = _fetched(conn, queries.digest(sql, columns))
        return int(rows), digest

    def key_marks(self, conn: Any, sql: str, keys: Sequence[Column], step: int) -> list[KeyMark]:
        """Return every ``step``-th key in the database's own order."""
        rows = _fetched(conn, queries.key_marks(sql, session.by_bytes(conn, keys), step))
        return [KeyMark(int(place), tuple(map(str, key))) for place, *key in rows]

    def histogram(self, conn: Any, table: str, column: str) -> Histogram:
        """Return what fresh statistics say of a numeric column."""
        return catalogue.histogram(conn, table, column)

    def sorted_bounds(
        self, conn: Any, query: SourceQuery, bounds: Sequence[tuple[str, ...]]
    ) -> list[tuple[str, ...]]:
        """Return bounds of a query's key in the database's own order."""
        if not bounds:
            return []
        query = replace(query, keys=session.by_bytes(conn, query.keys))
        marks = self.key_marks(conn, queries.bounds(query, bounds), query.keys, 1)
        return [mark.key for mark in marks]

    def sampled(self, query: SourceQuery, percent: float) -> str:
        """Return the query over a random share of its rows."""
        return queries.sampled(query, percent)

    def watermarks(self, conn: Any) -> OracleWatermarks:
        """Return how values of a column that grows are read, lowered and compared."""
        return OracleWatermarks(conn)

    def holdings(self, conn: Any) -> OracleHoldings:
        """Return how it is asked what a target holds."""
        return OracleHoldings(conn)

    def has_duplicates(self, conn: Any, sql: str, keys: Sequence[str]) -> bool:
        """Return whether one key stands in two rows of the query; NULLs count as equal."""
        ((found,),) = _fetched(conn, queries.duplicates(sql, keys))
        return bool(found)

    def chunk_query(self, conn: Any, query: SourceQuery, chunk: Chunk) -> str:
        """Return the query of one chunk."""
        query = replace(query, keys=session.by_bytes(conn, query.keys))
        return queries.chunk_query(query, chunk, int(conn.version.split(".")[0]))

    def first_rows(self, sql: str, rows: int) -> str:
        """Return a query for some rows of a query."""
        return queries.first_rows(sql, rows)

    def address_bounds(
        self, conn: Any, table: str, blocks: int, starts: Sequence[int]
    ) -> list[Bound]:
        """Return the row addresses at which shares of a table begin."""
        return catalogue.address_bounds(conn, table, blocks, starts)

    def read(
        self, conn: Any, sql: str, columns: Sequence[Column], *, most: Most, strict: bool
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as Arrow tables."""
        return transfer.read(conn, sql, columns, most=most, strict=strict)

    def pour(self, conn: Any, sql: str, columns: Sequence[Column], pool: Pool) -> None:
        """Hand all rows of a query, read by one statement, to a pool as they come."""
        pool.begin()
        for rows in transfer.read(conn, sql, columns, most=Most(transfer.FETCH_ROWS), strict=False):
            pool.add(rows)

    # -- writing --------------------------------------------------------------------------------

    def waits_for_keeper(self, conn: Any, keeper: str) -> str:
        """Return nothing: who reads locks nothing, and waits for no lock."""
        del conn, keeper
        return ""

    def begin_load(self, conn: Any, application: str, lock_timeout: float) -> None:
        """Begin a transaction that loads; each statement sees what is committed before it."""
        session.begin(conn, application, lock_timeout)

    def end_sessions(self, conn: Any, tag: str) -> int:
        """End every session that works on a chunk of a run; return how many there were."""
        return session.end_others(conn, f"^{re.escape(tag)}:[0-9]+$")

    def end_frozen(self, conn: Any, tag: str, chunk_id: int | None, seconds: float) -> int:
        """End sessions of a run whose clients have been silent so long while they hold a chunk."""
        which = "[0-9]+" if chunk_id is None else str(int(chunk_id))
        return session.end_others(conn, f"^{re.escape(tag)}:{which}$", seconds)

    def create_staging(self, conn: Any, publication: Publication) -> None:
        """Create the table where rows wait; it commits."""
        schema, table = _place(publication)
        found = catalogue.target_table(conn, schema, table)
        keys = found.unique_keys if found else ()
        checks = catalogue.checks(conn, schema, table)
        ((ledger,),) = self.run(conn, "ledger_object")
        staging.create(conn, publication, keys, checks, int(ledger))

    def drop_table(self, conn: Any, quoted: str) -> None:
        """Drop a table if it is there; it commits."""
        staging.drop(conn, quoted)

    def publish(self, conn: Any, publication: Publication, loaded: int) -> int:
        """Let the staged rows enter the target; return how many there were."""
        conn.call_timeout = 0  # one statement moves them all
        with settings.by_bytes(conn):  # two keys that a language takes for one are two rows
            return publishing.publish(conn, publication, loaded, _held_place(publication))

    def target_table(self, conn: Any, schema: str | None, table: str) -> TargetTable | None:
        """Return a table and its columns, None when there is none of that name."""
        session.begin(conn, "", None)
        return catalogue.target_table(conn, schema, table)

    def load(self, conn: Any, table: TargetTable, rows: pa.Table) -> Loaded:
        """Load Arrow rows by array DML."""
        return transfer.load(conn, table, rows)

    def watch(self, conn: Any, table: TargetTable) -> Watch:
        """Return nothing that looks: no session can tell what triggers do to its rows."""
        del conn, table
        return Unwatched()

    def load_apart(self, conn: Any, table: TargetTable, rows: pa.Table, most: int) -> Loaded:
        """Load Arrow rows but for those the database refuses."""
        return transfer.load_apart(conn, table, rows, most)

    def load_aside(self, conn: Any, table: TargetTable, rows: pa.Table, name: str) -> Aside:
        """Load Arrow rows by the direct path into a new table of that name; it commits."""
        return direct_path.load_aside(conn, table, rows, name)

    def load_from(self, conn: Any, table: TargetTable, aside: Aside) -> Loaded:
        """Let rows that were loaded aside enter their table."""
        return direct_path.load_from(conn, table, aside)

    def drop_asides(self, conn: Any, prefix: str) -> None:
        """Drop what attempts that were killed have left of their direct path loads."""
        direct_path.drop_all(conn, prefix)

    def empty_table(self, conn: Any, quoted: str) -> None:
        """Delete all rows of a table in the caller's transaction."""
        with conn.cursor() as cursor:
            cursor.execute(f"DELETE FROM {quoted}")

    def load_wire(self, columns: Sequence[Column]) -> str:
        """Return how rows are bound."""
        del columns
        return "array DML"

    def relay_format(self, source: Sequence[Column], target: Sequence[Column]) -> str | None:
        """Return None: rows are decoded, whatever their types."""
        del source, target
        return None

    def relay(
        self,
        source_conn: Any,
        sql: str,
        target_conn: Any,
        table: TargetTable,
        names: Sequence[str],
        wire: str,
    ) -> tuple[int, int]:
        """Raise: ``relay_format`` never offers it."""
        raise NotImplementedError


def _place(publication: Publication) -> tuple[str, str]:
    """Return schema and name of a publication's target, as this library shows them."""
    schema, table = publication.target.replace('"', "").split(".")
    return names.folded(schema), names.folded(table)


def _held_place(publication: Publication) -> dict[str, str]:
    """Return owner and name of a publication's target, as the dictionary has them."""
    schema, table = _place(publication)
    return {"owner": names.folded(schema), "name": names.folded(table)}


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


def _fetched(conn: Any, sql: str) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
