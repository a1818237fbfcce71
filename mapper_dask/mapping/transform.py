"""The function of a job file's job: a function of the user's, then a column mapping. Frozen.

The steps of a mapping are taken in one order, however they are written: first the function, then
``rename``, ``cast``, ``constant``, ``expression`` (one after the other, each sees those before it)
and ``drop``. So columns have their names and types before anything is computed with them.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

import cloudpickle
import pandas as pd
import pyarrow as pa

from mapper_dask.mapping.casts import CastError, cast, to_arrow, to_series
from mapper_dask.mapping.evaluate import evaluate
from mapper_dask.mapping.expressions import parse
from mapper_dask.mapping.steps import StepError, no_column
from mapper_dask.mapping.types import type_named

MARKED = "_reject_reason"
"""Column in which a function marks rows that are not to be loaded: nothing is computed of those."""

_parsed = functools.lru_cache(maxsize=256)(parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A DataFrame → DataFrame that pickles, and has a name that tells it from others."""

    function: Callable[..., Any] | None = None
    """Called first, with the frame and ``arguments``; None: the frame as it is."""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the function gets by name."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """Column → its new name."""
    cast: Mapping[str, str] = field(default_factory=dict)
    """Column → type; a value that would be lost makes it fail."""
    constant: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """New column → the value all its rows have."""
    expression: Mapping[str, str] = field(default_factory=dict)
    """New column → what it is computed of, in the order they are written."""
    drop: Sequence[str] = ()
    """Columns that go no further."""
    dtype_backend: str = "pyarrow"
    """Dtypes that columns made here have: those of the job."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what becomes of a frame.

        Raises
        ------
        ValueError
            Names the step and the column that do not fit the frame, and shows no value.
        """
        if self.function is not None:
            frame = self.function(frame, **self.arguments)
        if not self._maps or not isinstance(frame, pd.DataFrame):
            return frame
        if MARKED not in frame.columns or not frame[MARKED].notna().any():
            return self._mapped(frame)
        return self._mapped_but_for_marked(frame)

    @property
    def name(self) -> str | None:
        """What the ledger and a run's fingerprint call it; None when it does nothing.

        ``module:function``, and a digest of its arguments and of the mapping where there are any.
        """
        base = "" if self.function is None else name_of(self.function)
        steps = {"arguments": self.arguments, **{step: getattr(self, step) for step in _STEPS}}
        told = {name: value for name, value in steps.items() if value}
        if not told:
            return base or None
        # The order of expressions is a part of what they say; that of the others is not.
        told["expression"] = list(self.expression.items())
        digest = hashlib.sha256(json.dumps(_plain(told), sort_keys=True).encode()).hexdigest()[:16]
        return f"{base or 'mapping'} {digest}"

    @property
    def _maps(self) -> bool:
        return any(getattr(self, step) for step in _STEPS)

    def _mapped_but_for_marked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Map the rows that are loaded; those that are set aside stay as the function left them."""
        marked = frame[MARKED].notna().to_numpy(dtype=bool)
        mapped = self._mapped(frame[~marked].reset_index(drop=True))
        mapped = mapped.astype(object).set_axis((~marked).nonzero()[0])
        aside = frame[marked].rename(columns=dict(self.rename)).astype(object)
        aside = aside.set_axis(marked.nonzero()[0]).reindex(columns=mapped.columns)
        return pd.concat([mapped, aside.astype(object)]).sort_index().set_axis(frame.index)

    def _mapped(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame = self._renamed(frame)
        made: dict[str, pd.Series] = {}
        for name, text in self.cast.items():
            series = _column(frame, name, "cast")
            with _told(f"cast of {name}"):
                wanted = type_named(text)
                made[name] = self._series(cast(to_arrow(series, wanted), wanted), frame)
        for name, value in self.constant.items():
            made[name] = self._constant(value, frame)
        frame = frame.assign(**made)
        for name, text in self.expression.items():
            frame = frame.assign(**{name: self._computed(name, text, frame)})
        for name in self.drop:
            _column(frame, name, "drop")
        return frame.drop(columns=list(self.drop))

    def _renamed(self, frame: pd.DataFrame) -> pd.DataFrame:
        for name in self.rename:
            _column(frame, name, "rename")
        renamed = frame.rename(columns=dict(self.rename))
        twice = sorted(renamed.columns[renamed.columns.duplicated()])
        if twice:
            message = f"rename gives two columns the name {twice[0]!r}"
            raise StepError(message)
        return renamed

    def _constant(self, value: Any, frame: pd.DataFrame) -> pd.Series:
        if value is None:
            return pd.Series([None] * len(frame), index=frame.index, dtype=object)
        return self._series(pa.repeat(pa.scalar(value), len(frame)), frame)

    def _computed(self, name: str, text: str, frame: pd.DataFrame) -> pd.Series:
        def column(used: str) -> pa.Array:
            return to_arrow(_column(frame, used, f"expression {name}"))

        with _told(f"expression {name}"):
            return self._series(evaluate(_parsed(text), column, len(frame)), frame)

    def _series(self, array: pa.Array, frame: pd.DataFrame) -> pd.Series:
        return to_series(array, frame.index, self.dtype_backend)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by cloudpickle: a function of the user's own goes along where it must."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _restored, (cloudpickle.dumps(values),)


_STEPS = ("rename", "cast", "constant", "expression", "drop")


def _restored(pickled: bytes) -> Transform:
    return Transform(**cloudpickle.loads(pickled))


def name_of(function: Callable[..., Any]) -> str:
    """Return ``module:qualified.name`` of a function, or of what is called as one."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def _column(frame: pd.DataFrame, name: str, step: str) -> pd.Series:
    if name not in frame.columns:
        raise no_column(step, name, frame.columns)
    return frame[name]


class _told:  # noqa: N801 - reads as a word in a with statement
    """Names the step in which a value did not fit; the library's own text would show the value."""

    def __init__(self, step: str) -> None:
        self.step = step

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (CastError, pa.ArrowException)):
            return
        what = _without_values(error) if isinstance(error, pa.ArrowException) else str(error)
        raise StepError(f"{self.step}: {what}") from None


def _without_values(error: pa.ArrowException) -> str:
    text = str(error)
    for known in ("divide by zero", "overflow", "precision"):
        if known in text.lower():
            return {"precision": "a decimal gets more digits than 76"}.get(known, known)
    return "a value does not fit"


def _plain(value: Any) -> Any:
    """Return a value as JSON that tells it from every other: a number from its text, too."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (Decimal, dt.date, dt.time, dt.timedelta)):
        return [type(value).__name__, str(value)]
    return value
