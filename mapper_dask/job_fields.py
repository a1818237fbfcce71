"""What a field of a job may hold, as its user gives it and as a ledger keeps it. Pure."""

from __future__ import annotations

import numbers
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper_dask.bounds import LONGEST, MOST, shown
from mapper_dask.errors import ConfigurationError
from mapper_dask.near import did_you_mean
from mapper_dask.parallel_models import AUTO, ChunkingStrategy
from mapper_dask.stored import Stored, is_text
from mapper_dask.text_files import BYTE_ORDER_MARK


def _unchanged(value: Any) -> Any:
    return value


def _unchecked(_name: str, value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What the fields of one kind have in common."""

    checked: Callable[[str, Any], Any] = _unchecked
    """From a field's name and value to the value in its canonical type; raises a
    ``ConfigurationError`` that names the field and the remedy."""
    read: Callable[[Stored, str], object] | None = None
    """Refuses what a ledger's record holds under its name and this library never wrote there;
    None: no record holds it."""
    written: Callable[[Any], Any] = _unchanged
    """From the value to what the record holds of it."""
    digested: Callable[[Any], Any] = _unchanged
    """From the value to what a job's digest is made of."""


def declared(kind: FieldKind, *, key: str = "", digest: int | None = None) -> Mapping[str, Any]:
    """Return the metadata of a job's field.

    Parameters
    ----------
    kind
        What it may hold.
    key
        Where a job file says it, as section and attribute of its model.
    digest
        Its place in the job's digest; None: a job with another value is the same job. Ledgers hold
        digests, so a new field takes the next number, and no number ever changes.
    """
    return {"kind": kind, "key": tuple(key.split(".")) if key else None, "digest": digest}


def require(condition: bool, name: str, what: str) -> None:  # noqa: FBT001
    """Refuse a field unless a condition holds."""
    if not condition:
        message = f"{name} {what}"
        raise ConfigurationError(message, field=name)


def _query(name: str, sql: Any) -> str:
    what = "must be a query text"
    if isinstance(sql, os.PathLike):
        what += f"; of a file give Path({os.fspath(sql)!r}).read_text(encoding='utf-8')"
    elif not isinstance(sql, str):
        what += f", got {type(sql).__name__}"
    else:
        what += ", and this one is empty; write SELECT …"
    require(isinstance(sql, str) and sql.strip() != "", name, what)
    require(
        not sql.startswith(BYTE_ORDER_MARK),
        name,
        "begins with a byte order mark (U+FEFF), which no database takes: read its file with "
        "encoding='utf-8-sig'",
    )
    return _storable(name, sql)


def _name(name: str, value: Any) -> str | None:
    good = value is None or (isinstance(value, str) and value != "")
    require(good, name, f"must be a name or None, got {shown(value)}")
    return None if value is None else _storable(name, value)


def _storable(name: str, text: str) -> str:
    require(is_text(text), name, "holds a character that no database text can hold")
    return text


def _function(name: str, value: Any) -> Any:
    require(
        value is None or callable(value),
        name,
        f"must be a function DataFrame → DataFrame or None, got {type(value).__name__}; give the "
        "function itself, not its name or what it returns",
    )
    return value


def _flag(name: str, value: Any) -> bool:
    require(isinstance(value, bool), name, f"must be True or False, got {shown(value)}")
    return bool(value)


def _row_count(name: str, value: Any) -> int:
    what = f"must be an integer of at least 0, a number of rows, got {shown(value)}"
    require(_is_whole(value, 0), name, what)
    return operator.index(value)


def _chunk_size(name: str, value: Any) -> Any:
    what = f"must be an integer of at least 1 or 'auto', got {shown(value)}{_as_count(value)}"
    require(is_chunk_size(value), name, what)
    return AUTO if value == AUTO else operator.index(value)


def is_chunk_size(value: object) -> bool:
    """Return whether a value says how many rows a chunk is to have."""
    return value == AUTO if isinstance(value, str) else _is_whole(value, 1)


def _is_whole(value: Any, least: int) -> bool:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and least <= int(value) <= MOST


def _as_count(value: object) -> str:
    """Return how a number of rows is written that was given as a text or a float; or nothing."""
    text = str(value).strip().lower().replace("_", "").replace(",", "")
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:], 1)
    try:
        rows = float(text.rstrip("km")) * factor
    except ValueError:
        return ""
    whole = rows.is_integer() and 1 <= rows <= MOST and not isinstance(value, (bool, int))
    return f"; write {int(rows):_}" if whole else ""


def _stored_chunk_size(stored: Stored, name: str) -> None:
    if stored.data.get(name) != AUTO:
        stored.whole(name, 1)


def _columns(name: str, value: Any) -> Any:
    what = f"must be a list of column names, each once, or None for all{_as_list(value)}"
    require(value is None or _are_names(value), name, what)
    return value


def _as_list(value: object) -> str:
    """Return how names are written that were given otherwise; or nothing."""
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",")]
        return f"; write {names!r}" if len(value) <= LONGEST and all(names) else ""
    if isinstance(value, Mapping):
        return "; to call them otherwise, write … AS … in source_sql"
    return ""


def _are_names(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _tuple_or_none(value: Any) -> tuple[str, ...] | None:
    return value and tuple(value)


def key_of(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of a key, however they were given; empty without one."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def key(otherwise: str) -> FieldKind:
    """Return the kind of a key; ``otherwise`` ends the sentence on what None stands for."""

    def checked(name: str, value: Any) -> Any:
        what = f"must be a column name, a list of them, or None {otherwise}"
        require(value is None or isinstance(value, str) or _are_names(value), name, what)
        return value

    return FieldKind(
        checked, Stored.names_or_none, lambda value: list(key_of(value)) or None, key_of
    )


def _params(name: str, value: Any) -> Any:
    require(
        value is None or (isinstance(value, Mapping) and all(map(_is_identifier, value))),
        name,
        "must map names of letters, digits and _ (without a colon) to values, as in "
        "params={'name': …}, or be None",
    )
    return value


def _is_identifier(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier()


_STRATEGIES = [strategy.name for strategy in ChunkingStrategy]


def _strategy(name: str, value: Any) -> ChunkingStrategy | None:
    if value is None or isinstance(value, ChunkingStrategy):
        return value
    names = {s.value: s for s in ChunkingStrategy} | {s.name: s for s in ChunkingStrategy}
    good = isinstance(value, str) and value in names
    what = f"must be one of {', '.join(_STRATEGIES)} or None, got {shown(value)}"
    meant = did_you_mean(value, _STRATEGIES) if isinstance(value, str) and not good else ""
    require(good, name, what + meant)
    return names[value]


def _stored_strategy(stored: Stored, name: str) -> None:
    if stored.text_or_none(name) is not None:
        stored.one_of(name, _STRATEGIES)


def _strategy_name(value: Any) -> Any:
    return value.name if isinstance(value, ChunkingStrategy) else value


OTHER_WORDS = {
    **dict.fromkeys(("upsert", "update", "insert_or_update"), "merge"),
    **dict.fromkeys(("overwrite", "truncate", "replace_all", "full"), "replace"),
    **dict.fromkeys(("insert", "add"), "append"),
    **dict.fromkeys(("raise", "fail", "stop"), "abort"),
    **dict.fromkeys(("ignore", "skip", "pass"), "continue"),
    **dict.fromkeys(("numpy", "pandas", "nullable"), "numpy_nullable"),
    "arrow": "pyarrow",
}
"""What others call a word of ours."""


def one_of(known: Sequence[str]) -> FieldKind:
    """Return the kind of a field that holds one of some words."""

    def checked(name: str, value: Any) -> Any:
        meant = ""
        if isinstance(value, str):
            other = OTHER_WORDS.get(value.lower())
            meant = f"; did you mean {other!r}?" if other in known else did_you_mean(value, known)
        words = ", ".join(map(repr, known[:-1]))
        what = f"must be {words} or {known[-1]!r}, got {shown(value)}{meant}"
        require(value in known, name, what)
        return value

    return FieldKind(checked, lambda stored, name: stored.one_of(name, known))


CONNECTION = FieldKind()
"""Checked where it is resolved; kept, where it has a name, by who resolved it."""
FUNCTION = FieldKind(_function)
"""Kept by its name, which :mod:`mapper_dask.ledger.stored_job` finds and imports."""
QUERY = FieldKind(_query, Stored.text, digested=str.strip)
NAME = FieldKind(_name, Stored.text_or_none)
TARGET = replace(NAME, read=Stored.text)
"""There is none for a dry run only, and no ledger remembers those."""
RUN = replace(NAME, read=None)
COLUMN = FieldKind(read=Stored.text_or_none)
COLUMNS = FieldKind(_columns, Stored.names_or_none, lambda v: v and list(v), _tuple_or_none)
FLAG = FieldKind(_flag, Stored.flag)
ROW_COUNT = FieldKind(_row_count, Stored.whole)
CHUNK_SIZE = FieldKind(_chunk_size, _stored_chunk_size)
STRATEGY = FieldKind(_strategy, _stored_strategy, _strategy_name, _strategy_name)
PARAMS = FieldKind(_params)
