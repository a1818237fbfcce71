"""Rejected rows: how a function marks them, and how they are stored. Pure."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from mapper_dask.connections.pool import redacted
from mapper_dask.errors import TransformError
from mapper_dask.numpy_times import are_numpy_times, is_missing_time, is_numpy_time
from mapper_dask.parallel_models import Reject

REASON = "_reject_reason"
"""Column in which a function says why a row is not to be loaded; missing where it is."""

Stage = Literal["transform", "encode", "load"]


def reject(frame: pd.DataFrame, where: Any, reason: str | pd.Series) -> pd.DataFrame:
    """Return the frame with some rows marked: they go to ``mapper_dask_reject``, not to the target.

    Parameters
    ----------
    frame
        What the function works on, or is about to return; it is not changed.
    where
        Which rows: True or False for each, as a comparison of columns gives it. A missing value
        is False.
    reason
        Why, for all of them or for each. A row that is marked twice keeps its first reason.

    Returns
    -------
    pandas.DataFrame
        The same rows with the column ``_reject_reason``.

    Examples
    --------
    >>> def clean(flights):
    ...     flights = flights.assign(mph=flights.distance / flights.air_time * 60)
    ...     return reject(flights, flights.mph > 700, "faster than 700 mph")
    """
    mask = pd.Series(where, index=frame.index).astype("boolean").fillna(value=False)
    earlier = frame[REASON] if REASON in frame.columns else None
    reasons = pd.Series(None, index=frame.index, dtype=object) if earlier is None else earlier
    free = mask.to_numpy(dtype=bool) & reasons.isna().to_numpy(dtype=bool)
    new = reason if isinstance(reason, pd.Series) else pd.Series(reason, index=frame.index)
    return frame.assign(**{REASON: reasons.astype(object).mask(free, new.astype(object))})


def split_marked(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, dict[str, Any]]]]:
    """Return a function's rows without those it marked, and the marked ones with their reasons.

    Raises
    ------
    TransformError
        When a reason is not a text.
    """
    if REASON not in frame.columns:
        return frame, []
    reasons, rest = frame[REASON], frame.drop(columns=REASON)
    marked = reasons.notna().to_numpy(dtype=bool)
    texts = reasons[marked].tolist()
    if not all(isinstance(text, str) for text in texts):
        kinds = sorted({type(text).__name__ for text in texts})
        message = (
            f"transformation_logic: column {REASON!r} must hold texts or nothing, it holds "
            f"{', '.join(kinds)}; mark rows by reject(frame, where, 'why')"
        )
        raise TransformError(message)
    return rest[~marked], list(zip(texts, records(rest[marked]), strict=True))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as mappings."""
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def as_rejects(
    stage: Stage, refused: Iterable[tuple[str, Mapping[str, Any]]], keys: Sequence[str]
) -> list[Reject]:
    """Return rejected rows as they are stored, with their keys if they have any."""
    made = []
    for reason, row in refused:
        plain = {clean(name): plain_value(value) for name, value in row.items()}
        key = {name: plain[name] for name in keys} if all(k in plain for k in keys) else None
        made.append(Reject(stage, as_reason(reason), plain, key or None))
    return made


def plain_value(value: Any) -> Any:
    """Return a value for JSON: exact numbers, text for types that JSON lacks."""
    missing = value is None or value is pd.NA or value is pd.NaT
    return None if missing else _plain(value)


@functools.singledispatch
def _plain(value: Any) -> Any:
    if is_numpy_time(value):
        return None if is_missing_time(value) else str(value)
    if are_numpy_times(value):
        return [plain_value(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return plain_value(value.tolist())
    return clean(str(value))


@_plain.register(int)
def _(value: int) -> Any:  # and bool
    return value


@_plain.register(float)
@_plain.register(Decimal)
def _(value: float | Decimal) -> Any:
    if math.isnan(value):
        return "NaN"
    if value == 0 and math.copysign(1, value) < 0:
        return str(value)  # a database's JSON knows no negative zero
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


@_plain.register(bytes)
@_plain.register(bytearray)
def _(value: bytes) -> Any:
    return "\\x" + bytes(value).hex()


@_plain.register(dict)
def _(value: dict[Any, Any]) -> Any:
    return {clean(str(key)): plain_value(item) for key, item in value.items()}


@_plain.register(list)
@_plain.register(tuple)
@_plain.register(set)
def _(value: Iterable[Any]) -> Any:
    return [plain_value(item) for item in value]


@_plain.register(dt.date)
@_plain.register(dt.time)
def _(value: dt.date | dt.time) -> Any:
    return value.isoformat()


def as_reason(text: str) -> str:
    """Return why a row is rejected as it is stored: a database may have quoted a secret."""
    return clean(redacted(text))


def clean(text: str) -> str:
    """Return a text that a database accepts: without NUL and surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
