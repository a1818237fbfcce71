"""The kinds of a job's fields: how values are checked, and how a ledger stores them. Pure."""

from __future__ import annotations

import numbers
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from mapper_dask.bounds import LONGEST, MOST, shown
from mapper_dask.errors import ConfigurationError
from mapper_dask.near import did_you_mean
from mapper_dask.parallel_models import AUTO, ChunkingStrategy
from mapper_dask.stored import Stored, is_text
from mapper_dask.text_files import BYTE_ORDER_MARK


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class JobField:
    """How a field of a job, or all fields of a kind, are checked, stored and digested."""

    refusal: Callable[[Any], str] = lambda _: ""
    """Returns the message, after the field's name, for a value that no run can use; else empty."""
    canonical: Callable[[Any], Any] = _unchanged
    """From a value as it was given to that of a checked job."""
    read: Callable[[Stored, str], object] | None = None
    """Refuses a value in a ledger's record that this library never wrote there; None: the record
    does not hold the field, or not by itself."""
    written: Callable[[Any], Any] = _unchanged
    """From the value to the one in the record."""
    digested: Callable[[Any], Any] = _unchanged
    """From the value to the one in the job's digest."""
    key: tuple[str, ...] = ()
    """Section and attribute of the job file's model."""
    digest: int = 0
    """Its place in the job's digest; 0: a job with another value is the same job. Ledgers hold
    digests, so a new field takes the next number, and no number ever changes."""

    def checked(self, name: str, value: Any) -> Any:
        """Return a value in its canonical type, or refuse it by the field's name."""
        refusal = self.refusal(value)
        require(not refusal, name, refusal)
        return self.canonical(value)


def metadata_of(kind: JobField, key: str = "", digest: int = 0) -> Mapping[str, JobField]:
    """Return the metadata of a field of a kind."""
    return {"job": replace(kind, key=tuple(key.split(".")) if key else (), digest=digest)}


def declared(
    kind: JobField, default: Any, key: str = "", *, digest: int = 0, hidden: bool = False
) -> Any:
    """Return a field of a kind that has a default; see :class:`JobField`."""
    return field(default=default, repr=not hidden, metadata=metadata_of(kind, key, digest))


def require(condition: bool, name: str, what: str) -> None:  # noqa: FBT001
    """Refuse a field unless a condition holds."""
    if not condition:
        message = f"{name} {what}"
        raise ConfigurationError(message, field=name)


def _of_query(sql: Any) -> str:
    if isinstance(sql, os.PathLike):
        path = os.fspath(sql)
        return f"must be a query text; of a file give Path({path!r}).read_text(encoding='utf-8')"
    if not isinstance(sql, str):
        return f"must be a query text, got {type(sql).__name__}"
    if not sql.strip():
        return "must be a query text, and this one is empty; write SELECT …"
    if sql.startswith(BYTE_ORDER_MARK):
        return (
            "begins with a byte order mark (U+FEFF), which no database takes: read its file with "
            "encoding='utf-8-sig'"
        )
    return _of_text(sql)


def _of_name(value: Any) -> str:
    if value is not None and (not isinstance(value, str) or not value):
        return f"must be a name or None, got {shown(value)}"
    return _of_text(value or "")


def _of_text(text: str) -> str:
    return "" if is_text(text) else "holds a character that no database text can hold"


def _of_function(value: Any) -> str:
    if value is None or callable(value):
        return ""
    return (
        f"must be a function DataFrame → DataFrame or None, got {type(value).__name__}; give the "
        "function itself, not its name or what it returns"
    )


def _of_flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"must be True or False, got {shown(value)}"


def _of_rows(value: Any) -> str:
    what = f"must be an integer of at least 0, a number of rows, got {shown(value)}"
    return "" if _is_whole(value, 0) else what


def _of_chunk_size(value: Any) -> str:
    what = f"must be an integer of at least 1 or 'auto', got {shown(value)}"
    return "" if is_chunk_size(value) else what + _as_count(value)


def is_chunk_size(value: object) -> bool:
    """Return whether a value is a valid number of rows a chunk."""
    return value == AUTO if isinstance(value, str) else _is_whole(value, 1)


def _is_whole(value: Any, least: int) -> bool:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and least <= int(value) <= MOST


def _as_count(value: object) -> str:
    """Return a hint for a number of rows that was given as a text or a float; else empty."""
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


def _of_columns(value: Any) -> str:
    what = "must be a list of column names, each once, or None for all"
    return "" if value is None or _are_names(value) else what + _as_list(value)


def _as_list(value: object) -> str:
    """Return a hint for names that were given in another form; else empty."""
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


def key_of(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of a key, however they were given; empty without one."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def key(otherwise: str) -> JobField:
    """Return the kind of a key; ``otherwise`` describes None in messages."""

    def refusal(value: Any) -> str:
        good = value is None or isinstance(value, str) or _are_names(value)
        return "" if good else f"must be a column name, a list of them, or None {otherwise}"

    return JobField(
        refusal=refusal,
        read=Stored.names_or_none,
        written=lambda value: list(key_of(value)) or None,
        digested=key_of,
    )


def _of_params(value: Any) -> str:
    if value is None or (isinstance(value, Mapping) and all(map(_is_identifier, value))):
        return ""
    return (
        "must map names of letters, digits and _ (without a colon) to values, as in "
        "params={'name': …}, or be None"
    )


def _is_identifier(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier()


_BY_NAME = {s.value: s for s in ChunkingStrategy} | {s.name: s for s in ChunkingStrategy}
STRATEGIES = [strategy.name for strategy in ChunkingStrategy]


def _of_strategy(value: Any) -> str:
    if value is None or isinstance(value, ChunkingStrategy):
        return ""
    if isinstance(value, str) and value in _BY_NAME:
        return ""
    meant = did_you_mean(value, STRATEGIES) if isinstance(value, str) else ""
    return f"must be one of {', '.join(STRATEGIES)} or None, got {shown(value)}{meant}"


def _stored_strategy(stored: Stored, name: str) -> None:
    if stored.text_or_none(name) is not None:
        stored.one_of(name, STRATEGIES)


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
"""Words of other tools, and the same in this library."""


def one_of(literal: Any) -> JobField:
    """Return the kind of a field that holds one of the words of a ``Literal``."""
    known = get_args(literal)

    def refusal(value: Any) -> str:
        if value in known:
            return ""
        meant = ""
        if isinstance(value, str):
            other = OTHER_WORDS.get(value.lower())
            meant = f"; did you mean {other!r}?" if other in known else did_you_mean(value, known)
        words = ", ".join(map(repr, known[:-1]))
        return f"must be {words} or {known[-1]!r}, got {shown(value)}{meant}"

    return JobField(refusal=refusal, read=lambda stored, name: stored.one_of(name, known))


CONNECTION = JobField()
"""Checked and stored where it is resolved."""
FUNCTION = JobField(refusal=_of_function)
"""Stored by its name, which :mod:`mapper_dask.ledger.stored_job` imports."""
QUERY = JobField(refusal=_of_query, read=Stored.text, digested=str.strip)
NAME = JobField(refusal=_of_name, read=Stored.text_or_none)
TARGET = replace(NAME, read=Stored.text)
"""None only for a dry run, which is in no ledger."""
RUN = replace(NAME, read=None)
COLUMN = JobField(read=Stored.text_or_none)
COLUMNS = JobField(
    refusal=_of_columns,
    read=Stored.names_or_none,
    written=lambda value: value and list(value),
    digested=lambda value: value and tuple(value),
)
FLAG = JobField(refusal=_of_flag, read=Stored.flag)
ROWS = JobField(refusal=_of_rows, canonical=operator.index, read=Stored.whole)
CHUNK_SIZE = JobField(
    refusal=_of_chunk_size,
    canonical=lambda value: value if value == AUTO else operator.index(value),
    read=_stored_chunk_size,
)
STRATEGY = JobField(
    refusal=_of_strategy,
    canonical=lambda value: _BY_NAME.get(value, value),
    read=_stored_strategy,
    written=_strategy_name,
    digested=_strategy_name,
)
PARAMS = JobField(refusal=_of_params)
