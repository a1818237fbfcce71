"""The SQL that reads chunks from Oracle. Pure: builds text, opens no connection.

The user's text is put between a head and a tail of ours, as for every database. Oracle compares no
row values, so a key of several columns is compared column by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mapper_dask.dialects.oracle.names import quote
from mapper_dask.dialects.oracle.settings import NUMBER
from mapper_dask.dialects.oracle.types import NUMBER_TEXT, select_expression
from mapper_dask.parallel_models import Bound, Chunk, ChunkKind
from mapper_dask.query_text.aliases import free
from mapper_dask.schema.facts import Column, SourceQuery, Splice

SELECT_ALL = "SELECT * FROM (\n"
TAIL = "\n) q"

ROW_LIMITING = 12
"""First version of the server with OFFSET … FETCH; before, rows are numbered."""

PLACE = "mapper_dask place"
"""Alias of the row number, where no column of the user's has that name."""

_DATE = "'SYYYY-MM-DD HH24:MI:SS'"
_TIMESTAMP = "'SYYYY-MM-DD HH24:MI:SS.FF9'"

BY_BYTES = "text by its bytes"
"""Kind of a key in a session that would compare texts by a language: two of them may be the same
there that are not, and what is ordered by one rule may be compared by another."""

BYTES = "NLSSORT({0}, 'NLS_SORT=BINARY')"

_AS_TEXT = {
    "number": NUMBER_TEXT,
    "float": "REGEXP_REPLACE(TO_CHAR({0}), '[^0-9A-Za-z+-]', '.')",  # its point is the session's
    "date": f"TO_CHAR({{0}}, {_DATE})",
    "timestamp": f"TO_CHAR({{0}}, {_TIMESTAMP})",
    "timestamptz": f"TO_CHAR(SYS_EXTRACT_UTC({{0}}), {_TIMESTAMP})",
    "raw": "RAWTOHEX({0})",
    "text": "{0}",
    BY_BYTES: "{0}",
}
"""A key of each kind as text."""

_FROM_TEXT = {
    "number": "TO_NUMBER({0})",
    "float": "TO_BINARY_DOUBLE({0})",
    BY_BYTES: BYTES,
    "date": f"TO_DATE({{0}}, {_DATE})",
    "timestamp": f"TO_TIMESTAMP({{0}}, {_TIMESTAMP})",
    "timestamptz": f"FROM_TZ(TO_TIMESTAMP({{0}}, {_TIMESTAMP}), 'UTC')",
    "raw": "HEXTORAW({0})",
    "text": "{0}",
}
"""A key of each kind from its text."""


def literal(text: str) -> str:
    """Return a text as SQL writes it; Oracle knows no escape but the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def wrapped(sql: str, select: str = "*") -> str:
    """Return a query over the user's query, which is named q."""
    return f"SELECT {select} FROM (\n{sql}{TAIL}"


def select_list(columns: Sequence[Column]) -> str:
    """Return columns of q as a select list, each in the form in which it is read exactly."""
    return ", ".join(
        f"{select_expression(column, _name(column))} AS {quote(column.name)}" for column in columns
    )


def chunk_query(query: SourceQuery, chunk: Chunk, version: int) -> str:
    """Return the query that reads one chunk's rows.

    The predicates of a plan's chunks are disjoint and cover every row, whatever the bounds are.
    """
    select = select_list(query.columns)
    match chunk.kind:
        case ChunkKind.WINDOW:
            return _window(query, chunk, select, version)
        case ChunkKind.ROWID_RANGE:
            return wrapped(row_address_range(query, chunk), select)
        case _:
            return f"{wrapped(query.sql, select)}{predicate(query.keys, chunk)}"


def predicate(keys: Sequence[Column], chunk: Chunk) -> str:
    """Return the WHERE clause that selects a chunk's rows by their key; empty for all rows."""
    match chunk.kind:
        case ChunkKind.WHOLE:
            return ""
        case ChunkKind.NULL_KEY:
            return f" WHERE {null_key(keys)}"
        case ChunkKind.KEY_RANGE:
            return f" WHERE {key_range(keys, chunk.lower, chunk.upper)}"
        case _:
            message = f"chunk {chunk.chunk_id} is no range of keys"
            raise ValueError(message)


def key_range(keys: Sequence[Column], lower: Bound, upper: Bound) -> str:
    """Return ``lower <= key < upper``; never true for a key with a NULL in it."""
    parts = [_not_below(keys, lower)] if lower is not None else []
    parts += [_below(keys, upper)] if upper is not None else []
    if len(keys) > 1 or not parts:
        parts += [f"{_name(key)} IS NOT NULL" for key in keys]
    return " AND ".join(parts)


def null_key(keys: Sequence[Column]) -> str:
    """Return the predicate of the rows that no range holds."""
    return " OR ".join(f"{_name(key)} IS NULL" for key in keys)


def row_address_range(query: SourceQuery, chunk: Chunk) -> str:
    """Return the user's query over one range of row addresses of its table."""
    ends = ((chunk.lower, ">="), (chunk.upper, "<"))
    parts = [
        f"ROWID {sign} CHARTOROWID({literal(bound[0])})"
        for bound, sign in ends
        if bound is not None
    ]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    splice = _splice(query)
    return splice.with_table(f"(SELECT * FROM {splice.table}{where})")


def sampled(query: SourceQuery, percent: float) -> str:
    """Return the query over a random share of its rows: of its table where it has just one."""
    if query.splice is None:
        return f"{wrapped(query.sql)} WHERE SYS.DBMS_RANDOM.VALUE < {percent / 100:.9f}"
    # Oracle takes shares from a millionth to under a hundred.
    share = min(max(percent, 0.000001), 99.999999)
    table = f"(SELECT * FROM {query.splice.table} SAMPLE ({share:.6f}))"
    return query.splice.with_table(table)


def key_marks(sql: str, keys: Sequence[Column], step: int) -> str:
    """Return the query for every ``step``-th key in the database's own order, as text."""
    names = ", ".join(map(_ordered, keys))
    aliases = ", ".join(f"{_name(key)} AS k{place}" for place, key in enumerate(keys))
    texts = ", ".join(as_text(key, f"s.k{place}") for place, key in enumerate(keys))
    present = " AND ".join(f"{_name(key)} IS NOT NULL" for key in keys)
    numbered = f"{aliases}, ROW_NUMBER() OVER (ORDER BY {names}) - 1 AS place"
    inner = f"{wrapped(sql, numbered)} WHERE {present}"
    return (
        f"SELECT s.place, {texts} FROM (\n{inner}\n) s "
        f"WHERE MOD(s.place, {int(step)}) = 0 ORDER BY s.place"
    )


def bounds(query: SourceQuery, values: Sequence[tuple[str, ...]]) -> str:
    """Return the query of some bounds: rows with the type of the query's key."""
    rows = (
        "SELECT "
        + ", ".join(f"{_own_value(key, text)} AS {quote(key.name)}"
                    for key, text in zip(query.keys, bound, strict=True))
        + " FROM SYS.DUAL"
        for bound in values
    )  # fmt: skip
    return "\nUNION ALL ".join(rows)


def duplicates(sql: str, keys: Sequence[str]) -> str:
    """Return the query that finds a key that two rows have; NULLs count as equal."""
    names = ", ".join(f"q.{quote(key)}" for key in keys)
    found = f"{wrapped(sql, names)} GROUP BY {names} HAVING COUNT(*) > 1"
    return f"SELECT COUNT(*) FROM (\n{found}\n) d WHERE ROWNUM <= 1"


def first_rows(sql: str, rows: int) -> str:
    """Return a query for at most some rows of a query."""
    return f"{wrapped(sql)} WHERE ROWNUM <= {int(rows)}"


def count(sql: str, keys: Sequence[str]) -> str:
    """Return the query for a query's rows, and for those among them that have every key."""
    present = " AND ".join(f"q.{quote(key)} IS NOT NULL" for key in keys) or "1 = 1"
    return wrapped(sql, f"COUNT(*), COUNT(CASE WHEN {present} THEN 1 END)")


def digest(sql: str, columns: Sequence[Column]) -> str:
    """Return the query for a query's rows and two sums of hashes over them."""
    texts = [_AS_TEXT.get(c.key_type, "TO_CHAR({0})").format(_name(c)) for c in columns]
    hashes = " || ':' || ".join(f"ORA_HASH({text})" for text in texts)
    sums = " || ' ' || ".join(
        f"TO_CHAR(SUM(ORA_HASH({hashes}, 4294967295, {seed})))" for seed in (0, 1)
    )
    return wrapped(sql, f"COUNT(*), {sums}")


def _window(query: SourceQuery, chunk: Chunk, select: str, version: int) -> str:
    order = ", ".join(map(_ordered, query.keys))
    offset, limit = int(chunk.offset), None if chunk.limit is None else int(chunk.limit)
    if version >= ROW_LIMITING:
        fetch = "" if limit is None else f" FETCH NEXT {limit} ROWS ONLY"
        return f"{wrapped(query.sql, select)} ORDER BY {order} OFFSET {offset} ROWS{fetch}"
    place, columns = place_of([c.name for c in query.columns]), ", ".join(map(_name, query.columns))
    ordered = f"SELECT {columns} FROM (\n{query.sql}{TAIL} ORDER BY {order}"
    until = "" if limit is None else f" WHERE ROWNUM <= {offset + limit}"
    numbered = f"SELECT o.*, ROWNUM AS {place} FROM (\n{ordered}\n) o{until}"
    return f"SELECT {select} FROM (\n{numbered}{TAIL} WHERE q.{place} > {offset}"


def place_of(columns: Iterable[str]) -> str:
    """Return the name, as SQL writes it, of the numbers of rows beside some columns."""
    return f'"{free(PLACE, columns)}"'


def _not_below(keys: Sequence[Column], bound: tuple[str, ...]) -> str:
    name, end = _ordered(keys[0]), value(keys[0], bound[0])
    if len(keys) == 1:
        return f"{name} >= {end}"
    rest = _not_below(keys[1:], bound[1:])
    return f"({name} > {end} OR ({name} = {end} AND {rest}))"


def _below(keys: Sequence[Column], bound: tuple[str, ...]) -> str:
    name, end = _ordered(keys[0]), value(keys[0], bound[0])
    if len(keys) == 1:
        return f"{name} < {end}"
    rest = _below(keys[1:], bound[1:])
    return f"({name} < {end} OR ({name} = {end} AND {rest}))"


def _name(column: Column) -> str:
    return f"q.{quote(column.name)}"


def _ordered(key: Column) -> str:
    """Return what a key is ordered and compared by."""
    return BYTES.format(_name(key)) if key.key_type == BY_BYTES else _name(key)


def _own_value(key: Column, text: str) -> str:
    """Return the SQL of a value of a key's own type."""
    return literal(text) if key.key_type == BY_BYTES else value(key, text)


def as_text(key: Column, expression: str) -> str:
    """Return the SQL that writes a value of a key's type as text."""
    return _AS_TEXT.get(key.key_type, "{0}").format(expression)


def value(key: Column, text: str) -> str:
    """Return the SQL of a value of a key's type that was written as text."""
    if key.key_type in ("number", "float") and NUMBER.fullmatch(text):
        return number(text, key.key_type)
    return _FROM_TEXT.get(key.key_type, "{0}").format(literal(text))


def number(text: str, kind: str = "number") -> str:
    """Return the SQL of a number: with a point, whatever the session reads in a text."""
    written = f"({text})" if text.startswith("-") else text
    return written if kind == "number" else f"CAST({written} AS BINARY_DOUBLE)"


def _splice(query: SourceQuery) -> Splice:
    if query.splice is None:
        message = "a chunk of row addresses needs a query over a single table"
        raise ValueError(message)
    return query.splice
