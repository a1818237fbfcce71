"""Which transactions of a PostgreSQL source may still commit rows below a column's greatest value.

A row is seen when its transaction commits, not when it gets its number or its time. So once the
greatest value is read, the transactions in progress are looked for. One that begins later gets a
higher number from the same sequence, and a later time from the same clock.

- A column that a sequence feeds: a writer locks the table, or the sequence, before it gets a
  number, and keeps that lock until it ends. Every role may see which session holds a lock.
- Any other column, such as a time: ``now()`` is the time of a transaction's begin, before it has
  locked anything. So every other client's transaction counts, whatever it has done so far. Where
  its start may be seen, no row of it has an earlier time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.postgresql.queries import cast_type, quote, wrapped
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Column, CommitOrder, Transaction, TypeFamily

TIMES = (TypeFamily.DATE, TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ)

FARTHEST_WEST = "-12:00"
"""The zone in which it is earliest: a time without a zone was taken in some session's own."""

STANDBY = (
    "it is a standby, which does not show the transactions in progress at its primary: rows that "
    "are committed late are lost. Read the primary, or merge with an overlap"
)


def commit_order(conn: Driver, sql: str, column: Column) -> CommitOrder:
    """Return how rows of a query come to be seen in the order of a column.

    The session must have planned the query in this transaction: its locks show what is read.
    """
    sources = named_queries.run(conn, "watermark_sources")
    blind = _blind(conn, sources)
    tables = [int(oid) for oid, *_ in sources]
    sequences = named_queries.run(conn, "watermark_sequences", {"tables": tables}) if tables else []
    feeding = _feeding(conn, sequences, sql, column)
    if feeding:
        watched = {*tables, *(int(oid) for _, _, oid, *_ in sequences)}
        names = ", ".join(str(name) for _, _, _, name, *_ in feeding)
        return CommitOrder(
            f"the sequence {names} feeds it: no row is passed over whose transaction holds a lock "
            "to write there, or on the table, when the greatest value was read",
            blind,
            (
                (
                    f"that {column.name!r} gets its numbers from {names} in the transaction that "
                    "inserts the row: numbers that are set by hand, or fetched by an earlier "
                    "transaction, may come late unseen"
                ),
            ),
            _disorder(column, feeding),
            watched=tuple(sorted(watched)),
        )
    return _by_all(column, blind)


def _by_all(column: Column, blind: str) -> CommitOrder:
    if column.family in TIMES:
        return CommitOrder(
            "no row is passed over of a transaction that was in progress in the source's database "
            "when the greatest value was read, whatever it has written so far; the mark stays "
            "below the start of those that remain",
            blind,
            (
                (
                    f"that {column.name!r} is the time of the row's transaction or a later one, by "
                    "the source's clock (now(), clock_timestamp()): a time of an earlier event, or "
                    "of another machine's clock, may come late unseen"
                ),
            ),
            by_start=True,
        )
    return CommitOrder(
        "no sequence feeds it as far as is known: no row is passed over of a transaction that "
        "was in progress in the source's database when the greatest value was read, whatever it "
        "has written so far; the mark does not move while one of them remains",
        blind,
        (
            (
                f"that a transaction that begins later writes a higher {column.name!r}: nothing of "
                "the database's makes it so"
            ),
        ),
    )


def _blind(conn: Driver, sources: Sequence[tuple[Any, ...]]) -> str:
    """Return why writers can't be seen; empty where they can."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_is_in_recovery()")
        if cursor.fetchone()[0]:
            return STANDBY
    hidden = [
        f"{name} {why}"
        for _, name, kind, subscribed in sources
        for applies, why in (
            (kind == "f", "is a foreign table, whose server has the transactions"),
            (kind == "m", "is a materialized view: rows come when it is refreshed"),
            (subscribed, "is filled by replication: its publisher has the transactions"),
        )
        if applies
    ]
    if not hidden:
        return ""
    return (
        f"{'; '.join(hidden)}: rows that are committed late there are lost; merge with an overlap"
    )


def _feeding(
    conn: Driver, sequences: Sequence[tuple[Any, ...]], sql: str, column: Column
) -> list[tuple[Any, ...]]:
    """Return the sequences that feed a query's column, as far as the result names its table."""
    if column.family in TIMES or not sequences:
        return []
    with conn.cursor() as cursor:
        cursor.execute(f"{wrapped(sql, f'q.{quote(column.name)}')} LIMIT 0")
        [described] = cursor.description
    origin = (described.table_oid, described.table_column)
    return [row for row in sequences if (row[0], row[1]) == origin]


def _disorder(column: Column, feeding: Sequence[tuple[Any, ...]]) -> str:
    """Return why a sequence hands out lower numbers after higher ones; empty when it does not."""
    for _, _, _, name, cache, increment, cycle in feeding:
        if cycle or int(increment) < 0:
            return (
                f"is fed by the sequence {name}, which "
                f"{'starts over at its end' if cycle else 'counts downwards'}: new rows of "
                f"{column.name!r} are not above the old ones. Use another column"
            )
        if int(cache) > 1:
            return (
                f"is fed by the sequence {name}, of which each session keeps {cache} numbers ahead "
                "(CACHE), and uses them after others have used higher ones: such rows would be "
                f"lost. ALTER SEQUENCE {name} CACHE 1 (in new sessions); or merge with an overlap "
                "above what all sessions keep; or set in_progress='ignore' to lose them"
            )
    return ""


def in_progress(
    conn: Driver, column: Column, order: CommitOrder, high: str
) -> tuple[Transaction, ...]:
    """Return the transactions that may commit rows at or below ``high``, as of this moment."""
    with conn.cursor() as cursor:  # what was seen of sessions is kept for the transaction else
        cursor.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
    if order.watched:
        rows = named_queries.run(conn, "watermark_writers", {"relations": list(order.watched)})
    else:
        rows = named_queries.run(conn, "watermark_transactions")
    least = _least(conn, column, rows, high) if order.by_start else {}
    return tuple(
        Transaction(
            key, _owner(pid, user, start), least.get(key, (None, True))[0], prepared=pid is None
        )
        for key, pid, user, start in rows
        if least.get(key, (None, True))[1]
    )


def _owner(pid: int | None, user: str | None, start: str | None) -> str:
    if pid is None:
        return f"a prepared transaction{f' of {user}' if user else ''} (pg_prepared_xacts)"
    begun = f", begun {start}" if start else ""
    return f"pid {pid}{f' of {user}' if user else ''}{begun}"


def _least(
    conn: Driver, column: Column, rows: Sequence[tuple[Any, ...]], high: str
) -> dict[str, tuple[str, bool]]:
    """Return the least time that rows of a transaction can have, and whether ``high`` reaches it.

    It is rounded as the column rounds. Without a zone it is the time of the farthest west.
    """
    starts = {key: start for key, _, _, start in rows if start is not None}
    if not starts:
        return {}
    least = "s.start"
    if column.family is not TypeFamily.TIMESTAMP_TZ:
        zone = f"'{FARTHEST_WEST}'::pg_catalog.interval"
        least = f"pg_catalog.timezone({zone}, s.start)"
    least = f"({least})::{column.type_name}"
    sql = (
        f"SELECT s.key, ({least})::pg_catalog.text, "
        f"{least} OPERATOR(pg_catalog.<=) (%(high)s::{cast_type(column)}) "
        "FROM ROWS FROM (pg_catalog.unnest(%(keys)s::pg_catalog.text[]), "
        "pg_catalog.unnest(%(starts)s::pg_catalog.timestamptz[])) AS s (key, start)"
    )
    with conn.cursor() as cursor:
        values = {"high": high, "keys": list(starts), "starts": list(starts.values())}
        cursor.execute(sql, values)
        return {key: (text, reached) for key, text, reached in cursor.fetchall()}
