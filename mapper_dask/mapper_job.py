"""One job as a value: what to read, what to do to it, where it goes. Frozen."""

from __future__ import annotations

import numbers
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from mapper_dask.bounds import LONGEST, MOST, shown
from mapper_dask.errors import ConfigurationError
from mapper_dask.near import did_you_mean
from mapper_dask.options import with_known_options
from mapper_dask.parallel_models import (
    AUTO,
    DEFAULT_CHUNK_SIZE,
    ChunkingStrategy,
    ChunkSize,
    DtypeBackend,
    Transformation,
)
from mapper_dask.text_files import BYTE_ORDER_MARK

OnError = Literal["abort", "continue"]
WriteDisposition = Literal["append", "replace", "merge"]


@with_known_options
@dataclass(frozen=True, slots=True, kw_only=True)
class MapperJob:
    """One job as a value: what to read, what to do to it, where it goes.

    All fields are given by name. They are checked when the job is used, or by
    :meth:`validated`. ``job.evolve(run_id="…")`` is a copy with some of them changed.

    Parameters
    ----------
    source_conn
        Where rows are read: a URL, a SQLAlchemy URL or Engine, or a reference (``env:NAME``,
        ``profile:NAME``), which leaves the password where it is.
    source_sql
        Any query; it is wrapped, never edited.
    transformation_logic
        Function DataFrame → DataFrame, called once a chunk; it may return other rows, fewer or
        more, and other columns. None moves the rows as they are.
    target_conn
        Where they go, as ``source_conn``; None makes a dry run that extracts, transforms and
        counts.
    target_schema
        Schema of the target table; None: the connection's search path decides.
    target_table
        Table that receives the rows, and which is there; None only for a dry run.
    key_column
        Column(s) to cut by; None: detected.
    strategy
        How to cut, ``"KEY_BASED"``, ``"ROWID_BASED"``, ``"OFFSET_LIMIT"`` or a
        :class:`~mapper_dask.ChunkingStrategy`; None: chosen, and the plan says why.
    chunk_size
        Rows wanted a chunk, 50,000; ``"auto"`` for as many as make about 32 MB.
    columns
        Columns of the query to read; None: all.
    write_disposition
        How the rows enter the target: ``"append"`` adds them, ``"replace"`` puts them in place of
        all its rows, ``"merge"`` each in place of the row with its key.
    atomic
        Whether rows that are appended appear all at once, at the end; the others always do.
    direct_path
        Whether an Oracle target is loaded by the direct path, which is faster for large chunks
        and knows no rejects. It commits, so each attempt fills a table of its own.
    primary_key
        Column(s) by which rows are merged; None: the target's primary key.
    newest_by
        Column: of several rows with one key to merge, the one with the greatest value here wins.
        None: they are an error, as is a tie.
    on_error
        ``"abort"``: a failed chunk stops the run; ``"continue"``: it is counted and passed over.
    reject_limit
        Rows the run may reject into ``mapper_dask_reject``. 0: the first one fails its chunk.
    consistent
        Whether all chunks must read one snapshot.
    dtype_backend
        Dtypes the function sees: ``"pyarrow"``, or pandas' own nullable ones,
        ``"numpy_nullable"``.
    params
        Values for the places that the query marks ``:name``, by name, written into it as
        literals; None: it has none. A list is for use after IN. ``env:NAME`` is a text that stays a
        reference: it is looked up by the process that reads, and shown nowhere.
    run_id
        Name of the run; one the ledger knows is continued, and one that is done is not done
        again. None: a new one.

    Raises
    ------
    UnknownOptionError
        When an option is misspelt; it names the one that was meant, and is a ``TypeError``, too.

    See Also
    --------
    ParallelProcessor : runs a job, on how many workers, with how many attempts.
    """

    source_conn: Any = field(repr=False)
    source_sql: str
    transformation_logic: Transformation | None = None
    target_conn: Any = field(default=None, repr=False)
    target_schema: str | None = None
    target_table: str | None = None
    key_column: str | Sequence[str] | None = None
    strategy: ChunkingStrategy | str | None = None
    chunk_size: ChunkSize = DEFAULT_CHUNK_SIZE
    columns: Sequence[str] | None = None
    write_disposition: WriteDisposition = "append"
    atomic: bool = False
    direct_path: bool = False
    primary_key: str | Sequence[str] | None = None
    newest_by: str | None = None
    on_error: OnError = "abort"
    reject_limit: int = 0
    consistent: bool = True
    dtype_backend: DtypeBackend = "pyarrow"
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    run_id: str | None = None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """``key_column`` as a tuple, empty when it is to be detected."""
        if self.key_column is None:
            return ()
        return (self.key_column,) if isinstance(self.key_column, str) else tuple(self.key_column)

    @property
    def merge_key(self) -> tuple[str, ...]:
        """``primary_key`` as a tuple, empty when it is the target's."""
        if self.primary_key is None:
            return ()
        return (self.primary_key,) if isinstance(self.primary_key, str) else tuple(self.primary_key)

    @property
    def staged(self) -> bool:
        """Whether rows are gathered in a staging table and published at the end."""
        return self.atomic or self.write_disposition != "append"

    def evolve(self, **changes: Any) -> MapperJob:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def validated(self) -> MapperJob:
        """Return the job with its fields in their canonical types.

        Raises
        ------
        ConfigurationError
            When a field has a value that no run could use; names the field and the remedy.
        """
        _require_query(self.source_sql)
        _require(
            is_chunk_size(self.chunk_size),
            "chunk_size",
            f"must be an integer of at least 1 or 'auto', got {shown(self.chunk_size)}"
            f"{_as_count(self.chunk_size)}",
        )
        _require_word("on_error", self.on_error, get_args(OnError))
        _require_word("dtype_backend", self.dtype_backend, get_args(DtypeBackend))
        _require(
            self.transformation_logic is None or callable(self.transformation_logic),
            "transformation_logic",
            "must be a function DataFrame → DataFrame or None, got "
            f"{type(self.transformation_logic).__name__}; give the function itself, not its name "
            "or what it returns",
        )
        _require(
            (self.target_conn is None) == (self.target_table is None),
            "target_table",
            "and target_conn go together: give both, or neither for a dry run",
        )
        _require(
            _is_whole(self.reject_limit),
            "reject_limit",
            f"must be an integer of at least 0, a number of rows, got {shown(self.reject_limit)}",
        )
        self._require_texts()
        self._require_a_disposition()
        _require(
            self.columns is None or _are_names(self.columns),
            "columns",
            f"must be a list of column names, each once, or None for all{_as_list(self.columns)}",
        )
        _require(
            self.key_column is None
            or isinstance(self.key_column, str)
            or _are_names(self.key_column),
            "key_column",
            "must be a column name, a list of them, or None to have it detected",
        )
        _require(
            self.params is None or _are_params(self.params),
            "params",
            "must map names of letters, digits and _ (without a colon) to values, as in "
            "params={'name': …}, or be None",
        )
        return self.evolve(
            strategy=_strategy(self.strategy),
            chunk_size=AUTO if self.chunk_size == AUTO else operator.index(self.chunk_size),
            reject_limit=operator.index(self.reject_limit),
        )

    def _require_texts(self) -> None:
        _require(
            not self.source_sql.startswith(BYTE_ORDER_MARK),
            "source_sql",
            "begins with a byte order mark (U+FEFF), which no database takes: read its file with "
            "encoding='utf-8-sig'",
        )
        for name in ("target_schema", "target_table", "run_id"):
            value = getattr(self, name)
            good = value is None or (isinstance(value, str) and value != "")
            _require(good, name, f"must be a name or None, got {shown(value)}")
        for name in ("source_sql", "target_schema", "target_table", "run_id"):
            text = getattr(self, name) or ""
            _require(_is_storable(text), name, "holds a character that no database text can hold")
        for name in ("atomic", "consistent", "direct_path"):
            value = getattr(self, name)
            _require(isinstance(value, bool), name, f"must be True or False, got {shown(value)}")

    def _require_a_disposition(self) -> None:
        _require(
            not (self.direct_path and self.reject_limit),
            "direct_path",
            "loads all rows of a chunk or none; it goes with reject_limit=0 only",
        )
        _require_word("write_disposition", self.write_disposition, get_args(WriteDisposition))
        _require(
            self.write_disposition == "append" or self.target_table is not None,
            "target_table",
            f"is needed to {self.write_disposition} rows",
        )
        _require(
            self.primary_key is None
            or isinstance(self.primary_key, str)
            or _are_names(self.primary_key),
            "primary_key",
            "must be a column name, a list of them, or None for the target's primary key",
        )
        _require(
            self.newest_by is None or self.write_disposition == "merge",
            "newest_by",
            "says which of several rows with one key is merged; it needs write_disposition='merge'",
        )


def _require_query(sql: object) -> None:
    what = "must be a query text"
    if isinstance(sql, os.PathLike):
        what += f"; of a file give Path({os.fspath(sql)!r}).read_text(encoding='utf-8')"
    elif not isinstance(sql, str):
        what += f", got {type(sql).__name__}"
    else:
        what += ", and this one is empty; write SELECT …"
    _require(isinstance(sql, str) and sql.strip() != "", "source_sql", what)


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


def _require_word(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse what is none of some words; say which was meant."""
    if value in known:
        return
    meant = ""
    if isinstance(value, str):
        other = OTHER_WORDS.get(value.lower())
        meant = f"; did you mean {other!r}?" if other in known else did_you_mean(value, known)
    words = ", ".join(map(repr, known[:-1]))
    _require(False, name, f"must be {words} or {known[-1]!r}, got {shown(value)}{meant}")  # noqa: FBT003


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


def _as_list(value: object) -> str:
    """Return how names are written that were given otherwise; or nothing."""
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",")]
        return f"; write {names!r}" if len(value) <= LONGEST and all(names) else ""
    if isinstance(value, Mapping):
        return "; to call them otherwise, write … AS … in source_sql"
    return ""


def _is_storable(text: str) -> bool:
    """Return whether a text is Unicode without a NUL."""
    return "\0" not in text and text == text.encode("utf-8", "replace").decode("utf-8")


def _are_names(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _are_params(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and name.isascii() and name.isidentifier() for name in value
    )


def _strategy(value: ChunkingStrategy | str | None) -> ChunkingStrategy | None:
    if value is None or isinstance(value, ChunkingStrategy):
        return value
    names = {s.value: s for s in ChunkingStrategy} | {s.name: s for s in ChunkingStrategy}
    known = [s.name for s in ChunkingStrategy]
    good = isinstance(value, str) and value in names  # type: ignore[redundant-expr]
    what = f"must be one of {', '.join(known)} or None, got {shown(value)}"
    meant = did_you_mean(value, known) if isinstance(value, str) and not good else ""  # type: ignore[redundant-expr]
    _require(good, "strategy", what + meant)
    return names[value]


def is_chunk_size(value: object) -> bool:
    """Return whether a value says how many rows a chunk is to have."""
    return value == AUTO if isinstance(value, str) else _is_count(value)


def _is_count(value: object) -> bool:
    return _is_whole(value) and 1 <= int(value) <= MOST  # type: ignore[call-overload]


def _is_whole(value: object) -> bool:
    return (
        not isinstance(value, bool)
        and isinstance(value, numbers.Integral)
        and 0 <= int(value) <= MOST
    )


def _require(condition: bool, name: str, what: str) -> None:  # noqa: FBT001
    if not condition:
        message = f"{name} {what}"
        raise ConfigurationError(message, field=name)


def required_job(given: object, whose: str = "") -> MapperJob:
    """Return a job; refuse anything else, such as a query.

    Parameters
    ----------
    whose
        A prefix of the field's name in messages, where it is one of several jobs.

    Raises
    ------
    ConfigurationError
        Says how a job is made.
    """
    if isinstance(given, MapperJob):
        return given
    message = (
        f"{whose}job must be a MapperJob, got {type(given).__name__}; write "
        "MapperJob(source_conn=…, source_sql=…, target_conn=…, target_table=…)"
    )
    raise ConfigurationError(message, field="job")
