"""Finds refused rows by bisection, so that the others can be loaded. Pure.

A batch that is refused as a whole is halved until single rows are left; a half that passes is not
tried again. So it costs a few attempts for each refused row, and one where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from mapper_dask.chunk.encode import fit, fit_series, incoming_of, series_to_arrow
from mapper_dask.chunk.transform import apply
from mapper_dask.errors import EncodeError, RejectLimitError, TransformError
from mapper_dask.parallel_models import Transformation
from mapper_dask.schema.conversions import Incoming
from mapper_dask.schema.facts import Column, TargetTable

Probe = Callable[[int, int], str | None]
"""Why the rows from one place to another (excluded) are refused; None when they pass."""


def refused_rows(count: int, probe: Probe, most: int) -> dict[int, str]:
    """Return the places of the rows that are refused by themselves, and why.

    Raises
    ------
    RejectLimitError
        When they are more than ``most``.
    """
    refused: dict[int, str] = {}
    ranges = [(0, count, False)]
    while ranges:
        start, stop, bad = ranges.pop()  # bad: known to be refused, as the other half has passed
        single = stop - start == 1
        why = probe(start, stop) if start < stop and (single or not bad) else None
        if single and why is not None:
            refused[start] = why
            if len(refused) > most:
                head = f"reject_limit: more than the {most} rows left to it are refused"
                message = f"{head}; last: {why}"
                raise RejectLimitError(message)
        elif bad or why is not None:
            ranges += _halves(start, stop, probe) if not single else ()
    return refused


def _halves(start: int, stop: int, probe: Probe) -> list[tuple[int, int, bool]]:
    """Return the halves of a refused range, the first one last, so that it is popped next."""
    middle = (start + stop) // 2
    if probe(start, middle) is None:
        return [(middle, stop, True)]
    return [(middle, stop, False), (start, middle, True)]


def refused_by_function(function: Transformation, frame: pd.DataFrame, most: int) -> dict[int, str]:
    """Return the rows at which the function raises when it sees them without the others."""

    def probe(start: int, stop: int) -> str | None:
        try:
            apply(function, frame.iloc[start:stop].reset_index(drop=True))
        except TransformError as error:
            if "raised" not in error.details:
                raise
            return str(error.details["raised"])
        return None

    return refused_rows(len(frame), probe, most)


def refused_in_frame(
    frame: pd.DataFrame, table: TargetTable, *, as_text: Mapping[str, Column], most: int
) -> dict[int, str]:
    """Return the rows of a frame that hold a value which does not fit its column."""

    def prober(name: str) -> Probe:
        series, target = frame[name], table.column(name)
        if series.dtype != object:
            return _arrow_probe(name, *series_to_arrow(series, target), table, as_text)

        def convert(start: int, stop: int) -> None:
            fit_series(series.iloc[start:stop], name, table, as_text)

        return _probe(convert, by_kind=True)  # each row may be of a kind of its own

    return _refused_in_columns(list(frame.columns), len(frame), prober, most)


def refused_in_table(
    rows: pa.Table,
    table: TargetTable,
    source: Collection[Column],
    *,
    as_text: Mapping[str, Column],
    most: int,
) -> dict[int, str]:
    """Return the rows of an Arrow table that hold a value which does not fit its column."""
    kinds = {column.name: column for column in source}

    def prober(name: str) -> Probe:
        values = rows[name]
        return _arrow_probe(name, values, incoming_of(values.type, kinds[name]), table, as_text)

    return _refused_in_columns(rows.column_names, rows.num_rows, prober, most)


def _arrow_probe(
    name: str,
    values: pa.ChunkedArray,
    incoming: Incoming,
    table: TargetTable,
    as_text: Mapping[str, Column],
) -> Probe:
    whole = values.combine_chunks() if values.num_chunks > 1 else values

    def convert(start: int, stop: int) -> None:
        part = whole.slice(start, stop - start)
        chunked = part if isinstance(part, pa.ChunkedArray) else pa.chunked_array([part])
        fit(name, chunked, incoming, table, as_text)

    return _probe(convert, by_kind=False)


def _refused_in_columns(
    names: list[str], count: int, prober: Callable[[str], Probe], most: int
) -> dict[int, str]:
    refused: dict[int, str] = {}
    for name in names:
        for place, why in refused_rows(count, prober(name), most).items():
            refused.setdefault(place, why)
    return refused


def _probe(convert: Callable[[int, int], None], *, by_kind: bool) -> Probe:
    def probe(start: int, stop: int) -> str | None:
        try:
            convert(start, stop)
        except EncodeError as error:
            if error.details.get("whole_column") and not by_kind:
                raise
            return error.message
        return None

    return probe


def without(rows: Any, refused: Collection[int], count: int) -> Any:
    """Return a frame or an Arrow table without the rows at some places."""
    kept = [place for place in range(count) if place not in refused]
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[kept].reset_index(drop=True)
    return taken(rows, kept)


def taken(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """Return the rows of an Arrow table at some places, also at none."""
    return rows.take(pa.array(places, pa.int64()))
