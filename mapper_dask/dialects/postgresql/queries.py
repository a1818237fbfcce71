"""The SQL that reads chunks. Pure: builds text, opens no connection.

The user's text is never edited: it stands between a head and a tail of ours. Line breaks around
it keep a closing comment of the user's from swallowing the tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mapper_dask.dialects.facts import Column, SourceQuery, Splice
from mapper_dask.parallel_models import Bound, Chunk, ChunkKind

Literal = Callable[[str], str]
"""Text → SQL literal, quoted by the driver for the connection's encoding."""

SELECT_ALL = "SELECT * FROM (\n"
TAIL = "\n) AS q"

DIGEST = "count(*), coalesce(sum(('x' || left(md5(q::text), 15))::bit(60)::int8::numeric), 0)::text"
"""Rows of q, and a sum over them that tells one content from another in whatever order."""


def quote(identifier: str) -> str:
    """Return an identifier as SQL writes it; the only function that quotes one."""
    if "\0" in identifier:
        message = "an identifier cannot hold a NUL character"
        raise ValueError(message)
    return '"' + identifier.replace('"', '""') + '"'


def wrapped(sql: str, select: str = "*") -> str:
    """Return a query over the user's query, which is named q."""
    return f"SELECT {select} FROM (\n{sql}{TAIL}"


def select_list(columns: Sequence[Column]) -> str:
    """Return columns of q as a select list; a query without columns has an empty one."""
    return ", ".join(f"q.{quote(column.name)}" for column in columns)


def chunk_query(query: SourceQuery, chunk: Chunk, literal: Literal) -> str:
    """Return the query that reads one chunk's rows.

    The predicates of a plan's chunks are disjoint and cover every row, whatever the bounds are:
    ``k < b1``, ``k >= b1 AND k < b2``, …, ``k >= bn`` and ``k IS NULL``.
    """
    select = select_list(query.columns)
    match chunk.kind:
        case ChunkKind.WINDOW:
            return f"{wrapped(query.sql, select)} {window(query.keys, chunk)}"
        case ChunkKind.ROWID_RANGE:
            return wrapped(row_address_range(query, chunk, literal), select)
        case _:
            return f"{wrapped(query.sql, select)}{predicate(query.keys, chunk, literal)}"


def predicate(keys: Sequence[Column], chunk: Chunk, literal: Literal) -> str:
    """Return the WHERE clause that tells a chunk's rows by their key; empty for all rows."""
    match chunk.kind:
        case ChunkKind.WHOLE:
            return ""
        case ChunkKind.NULL_KEY:
            return f" WHERE {null_key(keys)}"
        case ChunkKind.KEY_RANGE:
            return f" WHERE {key_range(keys, chunk.lower, chunk.upper, literal)}"
        case _:
            message = f"chunk {chunk.chunk_id} is no range of keys"
            raise ValueError(message)


def key_range(keys: Sequence[Column], lower: Bound, upper: Bound, literal: Literal) -> str:
    """Return ``lower <= key < upper``; never true for a key with a NULL in it."""
    name = _key(keys)
    parts = [f"{name} >= {_bound(keys, lower, literal)}"] if lower is not None else []
    parts += [f"{name} < {_bound(keys, upper, literal)}"] if upper is not None else []
    # A row value compares as false or true before it reaches a NULL in a later column, so those
    # rows, which belong to the NULL chunk, are kept out by name.
    if len(keys) > 1 or not parts:
        parts += [*_leading(keys[0], lower, upper, literal)] if len(keys) > 1 else []
        parts += [f"q.{quote(key.name)} IS NOT NULL" for key in keys]
    return " AND ".join(parts)


def _leading(key: Column, lower: Bound, upper: Bound, literal: Literal) -> Iterator[str]:
    """Yield what a row value's bounds say of its first column.

    It changes no row. But the planner guesses a range of row values at a quarter of the table, and
    reads all of it for each chunk; of a range of one column it knows the size.
    """
    for bound, sign in ((lower, ">="), (upper, "<=")):
        if bound is not None:
            yield f"q.{quote(key.name)} {sign} {_bound([key], bound[:1], literal)}"


def null_key(keys: Sequence[Column]) -> str:
    """Return the predicate of the rows that no range holds."""
    return " OR ".join(f"q.{quote(key.name)} IS NULL" for key in keys)


def window(keys: Sequence[Column], chunk: Chunk) -> str:
    """Return ORDER BY, OFFSET and LIMIT of one window; the last one has no limit."""
    order = ", ".join(f"q.{quote(key.name)}" for key in keys)
    limit = "" if chunk.limit is None else f" LIMIT {int(chunk.limit)}"
    return f"ORDER BY {order} OFFSET {int(chunk.offset)}{limit}"


def row_address_range(query: SourceQuery, chunk: Chunk, literal: Literal) -> str:
    """Return the user's query over the blocks of one chunk of its table."""
    ends = ((chunk.lower, ">="), (chunk.upper, "<"))
    parts = [f"ctid {sign} {literal(bound[0])}::tid" for bound, sign in ends if bound is not None]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    splice = _splice(query)
    return splice.with_table(f"(SELECT * FROM {splice.table}{where})")


def sampled(query: SourceQuery, percent: float) -> str:
    """Return the query over a random share of its rows: of its table where it has just one."""
    if query.splice is None:
        return f"{wrapped(query.sql)} WHERE random() < {percent / 100:.9f}"
    table = f"(SELECT * FROM {query.splice.table} TABLESAMPLE BERNOULLI ({percent:.7f}))"
    return query.splice.with_table(table)


def key_marks(sql: str, keys: Sequence[Column], step: int) -> str:
    """Return the query for every ``step``-th key in the database's own order, as text."""
    names = ", ".join(f"q.{quote(key.name)}" for key in keys)
    # Under names of their own: a key may be called anything.
    aliases = ", ".join(f"q.{quote(key.name)} AS k{place}" for place, key in enumerate(keys))
    texts = ", ".join(f"s.k{place}::text" for place in range(len(keys)))
    present = " AND ".join(f"q.{quote(key.name)} IS NOT NULL" for key in keys)
    numbered = f"{aliases}, row_number() OVER (ORDER BY {names}) - 1 AS place"
    inner = f"{wrapped(sql, numbered)} WHERE {present}"
    return (
        f"SELECT s.place, {texts} FROM (\n{inner}\n) AS s "
        f"WHERE s.place % {int(step)} = 0 ORDER BY s.place"
    )


def bounds(query: SourceQuery, values: Sequence[tuple[str, ...]], literal: Literal) -> str:
    """Return the query of some bounds: rows with the type and the collation of the query's key."""
    keys = query.keys
    none = f"{wrapped(query.sql, select_list(keys))} WHERE false"
    rows = (
        "SELECT "
        + ", ".join(f"{literal(text)}::{k.key_type}" for k, text in zip(keys, value, strict=True))
        for value in values
    )
    return "\nUNION ALL ".join([none, *rows])


def duplicates(sql: str, keys: Sequence[str]) -> str:
    """Return the query that finds one key standing in two rows; NULLs count as equal."""
    names = ", ".join(f"q.{quote(key)}" for key in keys)
    return f"{wrapped(sql, '1')} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"


def _key(keys: Sequence[Column]) -> str:
    names = [f"q.{quote(key.name)}" for key in keys]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _bound(keys: Sequence[Column], bound: tuple[str, ...], literal: Literal) -> str:
    values = [f"{literal(text)}::{key.key_type}" for key, text in zip(keys, bound, strict=True)]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def _splice(query: SourceQuery) -> Splice:
    if query.splice is None:
        message = "a chunk of row addresses needs a query over a single table"
        raise ValueError(message)
    return query.splice
