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
"""Column in which a function marks rows to reject: nothing is computed for those."""

_parsed = functools.lru_cache(maxsize=256)(parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A DataFrame → DataFrame that pickles, and whose name identifies what it does."""

    function: Callable[..., Any] | None = None
    """Called first, with the frame and ``arguments``; None: the frame as it is."""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keyword arguments of the function."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """Column → its new name."""
    cast: Mapping[str, str] = field(default_factory=dict)
    """Column → type; a value that would change makes it fail."""
    constant: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """New column → the value all its rows have."""
    expression: Mapping[str, str] = field(default_factory=dict)
    """New column → its expression, in the order they are written."""
    drop: Sequence[str] = ()
    """Columns to remove."""
    dtype_backend: str = "pyarrow"
    """The job's dtypes, for the columns made here."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the transformed frame.

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
        """Its name in the ledger and in a run's fingerprint; None when it does nothing.

        ``module:function``, and a digest of its arguments and of the mapping where there are any.
        """
        base = "" if self.function is None else name_of(self.function)
        steps = {"arguments": self.arguments, **{step: getattr(self, step) for step in _STEPS}}
        named = {name: value for name, value in steps.items() if value}
        if not named:
            return base or None
        # The order matters for expressions only: each sees the columns of those before it.
        named["expression"] = list(self.expression.items())
        digest = hashlib.sha256(json.dumps(_plain(named), sort_keys=True).encode()).hexdigest()[:16]
        return f"{base or 'mapping'} {digest}"

    @property
    def _maps(self) -> bool:
        return any(getattr(self, step) for step in _STEPS)

    def _mapped_but_for_marked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Map the rows that are not marked; rejected rows keep the function's values."""
        marked = frame[MARKED].notna().to_numpy(dtype=bool)
        mapped = self._mapped(frame[~marked].reset_index(drop=True))
        mapped = mapped.astype(object).set_axis((~marked).nonzero()[0])
        rejected = frame[marked].rename(columns=dict(self.rename)).astype(object)
        rejected = rejected.set_axis(marked.nonzero()[0]).reindex(columns=mapped.columns)
        return pd.concat([mapped, rejected.astype(object)]).sort_index().set_axis(frame.index)

    def _mapped(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame = self._renamed(frame)
        made: dict[str, pd.Series] = {}
        for name, text in self.cast.items():
            series = _column(frame, name, "cast")
            with _Step(f"cast of {name}"):
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

        with _Step(f"expression {name}"):
            return self._series(evaluate(_parsed(text), column, len(frame)), frame)

    def _series(self, array: pa.Array, frame: pd.DataFrame) -> pd.Series:
        return to_series(array, frame.index, self.dtype_backend)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by cloudpickle, which sends a user's function by value where it must."""
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


class _Step:
    """Names the step in which a value did not fit; Arrow's own message would show the value."""

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
    """Return a value as JSON that differs from every other value's, such as a number's text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (Decimal, dt.date, dt.time, dt.timedelta)):
        return [type(value).__name__, str(value)]
    return value
