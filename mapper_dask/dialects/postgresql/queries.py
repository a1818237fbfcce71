"""The SQL that reads chunks. Pure: builds text, opens no connection.

The user's text is never edited: it is put between a head and a tail of ours. Line breaks around
it keep a closing comment of the user's from swallowing the tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mapper_dask.parallel_models import Bound, Chunk, ChunkKind
from mapper_dask.query_text.aliases import ROW
from mapper_dask.schema.facts import Column, SourceQuery, Splice, TypeFamily

Literal = Callable[[str], str]
"""Text → SQL literal, quoted by the driver for the connection's encoding."""

SELECT_ALL = "SELECT * FROM (\n"
TAIL = "\n) AS q"

COUNT = "pg_catalog.count(*)"

DIGEST = (
    f"{COUNT}, coalesce(pg_catalog.sum(('x' OPERATOR(pg_catalog.||) pg_catalog.left(pg_catalog.md5("
    f"({ROW})::pg_catalog.text), 15))::bit(60)::bigint::numeric), 0)::pg_catalog.text"
)
"""Rows of q, and a sum over them that depends on their content and not on their order."""

SIGNS = ("<", "<=", "=", ">=", ">")
"""Comparisons in the order of their strategies in an ordered index."""

BUILT_IN = tuple(f"OPERATOR(pg_catalog.{sign})" for sign in SIGNS)
"""The same for PostgreSQL's own types that have an order."""

LAST_TIME = "294276-12-31 23:59:59.999999"
"""Of PostgreSQL. ``timestamp(0)`` rounds it to a later one, which it keeps, shows, and refuses to
read again."""


def quote(identifier: str) -> str:
    """Return an identifier as SQL writes it; the only function that quotes one."""
    if "\0" in identifier:
        message = "an identifier cannot hold a NUL character"
        raise ValueError(message)
    return '"' + identifier.replace('"', '""') + '"'


def wrapped(sql: str, select: str = "*") -> str:
    """Return a query over the user's query, which is named q."""
    return f"SELECT {select} FROM (\n{sql}{TAIL}"


def counts(present: str) -> str:
    """Return the select list that counts rows, and those of them for which a predicate holds."""
    return f"{COUNT}, {COUNT} FILTER (WHERE {present})"


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
    """Return the WHERE clause that selects a chunk's rows by their key; empty for all rows."""
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
    parts = [_beyond(keys, lower, literal, below=False)] if lower is not None else []
    parts += [_beyond(keys, upper, literal, below=True)] if upper is not None else []
    # A row value compares as false or true before it reaches a NULL in a later column, so those
    # rows, which belong to the NULL chunk, are kept out by name.
    if len(keys) > 1 or not parts:
        parts += [*_leading(keys[0], lower, upper, literal)] if len(keys) > 1 else []
        parts += [f"q.{quote(key.name)} IS NOT NULL" for key in keys]
    return " AND ".join(parts)


def _beyond(
    keys: Sequence[Column], bound: tuple[str, ...], literal: Literal, *, below: bool
) -> str:
    """Return the predicate of the keys below a bound, or of those that are not.

    Operators are those of the types' own order, wherever they are. Types of different orders
    have none in common that would compare their row values.
    """
    if len({_orders(key) for key in keys}) == 1:
        sign = operator(keys[0], "<" if below else ">=")
        return f"{_key(keys)} {sign} {_bound(keys, bound, literal)}"
    key, value = keys[0], _bound(keys[:1], bound[:1], literal)
    name = f"q.{quote(key.name)}"
    if len(keys) == 1:
        return f"{name} {operator(key, '<' if below else '>=')} {value}"
    rest = _beyond(keys[1:], bound[1:], literal, below=below)
    strict = operator(key, "<" if below else ">")
    return f"({name} {strict} {value} OR ({name} {operator(key, '=')} {value} AND {rest}))"


def operator(key: Column, sign: str) -> str:
    """Return an operator of a key's own order, by its full name."""
    return _orders(key)[SIGNS.index(sign)]


def _orders(key: Column) -> tuple[str, ...]:
    return key.order or BUILT_IN


def _leading(key: Column, lower: Bound, upper: Bound, literal: Literal) -> Iterator[str]:
    """Yield what a row value's bounds say of its first column.

    It changes no row. But the planner guesses a range of row values at a quarter of the table, and
    reads all of it for each chunk; of a range of one column it knows the size.
    """
    for bound, sign in ((lower, ">="), (upper, "<=")):
        if bound is not None:
            yield (f"q.{quote(key.name)} {operator(key, sign)} {_bound([key], bound[:1], literal)}")


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
    parts = [
        f"ctid OPERATOR(pg_catalog.{sign}) {literal(bound[0])}::pg_catalog.tid"
        for bound, sign in ends
        if bound is not None
    ]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    splice = _splice(query)
    return splice.with_table(f"(SELECT * FROM {splice.table}{where})")


def sampled(query: SourceQuery, percent: float) -> str:
    """Return the query over a random share of its rows: of its table where it has just one."""
    if query.splice is None:
        drawn = f"pg_catalog.random() OPERATOR(pg_catalog.<) {percent / 100:.9f}"
        return f"{wrapped(query.sql)} WHERE {drawn}"
    share = f"TABLESAMPLE pg_catalog.bernoulli ({percent:.7f})"
    table = f"(SELECT * FROM {query.splice.table} {share})"
    return query.splice.with_table(table)


def key_marks(sql: str, keys: Sequence[Column], step: int) -> str:
    """Return the query for every ``step``-th key in the database's own order, as text."""
    names = ", ".join(f"q.{quote(key.name)}" for key in keys)
    # Under names of their own: a key may be called anything.
    aliases = ", ".join(f"q.{quote(key.name)} AS k{place}" for place, key in enumerate(keys))
    texts = ", ".join(_text(key, f"s.k{place}") for place, key in enumerate(keys))
    present = " AND ".join(f"q.{quote(key.name)} IS NOT NULL" for key in keys)
    number = f"pg_catalog.row_number() OVER (ORDER BY {names}) OPERATOR(pg_catalog.-) 1"
    inner = f"{wrapped(sql, f'{aliases}, {number} AS place')} WHERE {present}"
    return (
        f"SELECT s.place, {texts} FROM (\n{inner}\n) AS s "
        f"WHERE (s.place OPERATOR(pg_catalog.%) {int(step)}) OPERATOR(pg_catalog.=) 0 "
        "ORDER BY s.place"
    )


def _text(key: Column, name: str) -> str:
    """Return a key as text, NULL where that text would not be read as the same key again."""
    text, kind = f"{name}::pg_catalog.text", cast_type(key)
    if key.key_type == "interval":  # each field with its own sign is read alike in every style
        text = f"pg_catalog.regexp_replace({text}, '^(-[0-9]+) ([0-9])', E'\\\\1 -\\\\2')"
    match key.family:
        case TypeFamily.TIMESTAMP | TypeFamily.TIMESTAMP_TZ:
            last = f"{LAST_TIME}+00" if key.family is TypeFamily.TIMESTAMP_TZ else LAST_TIME
            after = f"{name} {operator(key, '>')} '{last}'::{kind}"
            late = f"{after} AND {name} {operator(key, '<')} 'infinity'::{kind}"
            return f"CASE WHEN {late} THEN NULL ELSE {text} END"
        case TypeFamily.OTHER | TypeFamily.FLOAT if kind:
            same = f"({text})::{kind} {operator(key, '=')} {name}"
            return f"CASE WHEN {same} THEN {text} END"
    return text


def cast_type(key: Column) -> str:
    """Return the type to which a bound is cast, by its full name; without modifiers none rounds."""
    return key.cast_type or key.key_type


def bounds(query: SourceQuery, values: Sequence[tuple[str, ...]], literal: Literal) -> str:
    """Return the query of some bounds: rows with the type and the collation of the query's key."""
    keys = query.keys
    none = f"{wrapped(query.sql, select_list(keys))} WHERE false"
    rows = (
        "SELECT "
        + ", ".join(f"{literal(text)}::{cast_type(k)}" for k, text in zip(keys, value, strict=True))
        for value in values
    )
    return "\nUNION ALL ".join([none, *rows])


def duplicates(sql: str, keys: Sequence[str]) -> str:
    """Return the query that finds a key that two rows have; NULLs count as equal."""
    names = ", ".join(f"q.{quote(key)}" for key in keys)
    return f"{wrapped(sql, '1')} GROUP BY {names} HAVING {COUNT} OPERATOR(pg_catalog.>) 1 LIMIT 1"


def _key(keys: Sequence[Column]) -> str:
    names = [f"q.{quote(key.name)}" for key in keys]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _bound(keys: Sequence[Column], bound: tuple[str, ...], literal: Literal) -> str:
    values = [f"{literal(text)}::{cast_type(key)}" for key, text in zip(keys, bound, strict=True)]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def _splice(query: SourceQuery) -> Splice:
    if query.splice is None:
        message = "a chunk of row addresses needs a query over a single table"
        raise ValueError(message)
    return query.splice


def whole_table(table: str) -> str:
    """Return the expression of a whole table, unrestricted, in a splice."""
    return f"(SELECT * FROM {table})"
