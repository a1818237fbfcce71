"""Arrow to pandas, the user's function, and checks of its result. Pure but for the function."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from mapper_dask.connections.pool import redacted
from mapper_dask.errors import SchemaDriftError, TransformError
from mapper_dask.halting import interruptible
from mapper_dask.mapping.casts import nullable_floats, to_pandas
from mapper_dask.mapping.steps import NoColumnError, StepError
from mapper_dask.parallel_models import DtypeBackend, Transformation
from mapper_dask.raised import kept
from mapper_dask.schema.facts import Column, TypeFamily
from mapper_dask.users_code import NO_CODE, Code, failures, formatted, said

FUNCTION = "transformation_logic: the function"
"""Beginning of messages: the field, and its value."""


def to_frame(
    rows: pa.Table, columns: Sequence[Column], dtype_backend: DtypeBackend
) -> pd.DataFrame:
    """Return rows as the frame a function sees.

    With ``pyarrow`` every column has an Arrow dtype; with ``numpy_nullable``, pandas' nullable
    dtypes where there is one. A numeric that no Arrow decimal holds (no precision, over 38 digits,
    a NaN among its values) is an object column of ``decimal.Decimal``: exact, and it still adds.
    """
    frame = to_pandas(rows, dtype_backend)
    for place, column in enumerate(columns):
        values = rows.column(place)
        if column.family is TypeFamily.DECIMAL and pa.types.is_string(values.type):
            frame[column.name] = pd.Series(_decimals(values), index=frame.index, dtype=object)
        elif dtype_backend == "numpy_nullable" and pa.types.is_floating(values.type):
            frame[column.name] = nullable_floats(values)
    return frame


def _decimals(values: pa.ChunkedArray) -> list[Decimal | None]:
    return [None if text is None else Decimal(text) for text in values.to_pylist()]


def apply(function: Transformation, frame: pd.DataFrame, code: Code = NO_CODE) -> pd.DataFrame:
    """Return what the function makes of a frame, checked.

    A level of the index that has a name, as ``groupby`` leaves it, becomes a column; others go.

    Parameters
    ----------
    code
        The text of functions that were sent here by value.

    Raises
    ------
    TransformError
        When the function raises (the user's lines of its traceback are in the message), returns
        anything but a DataFrame, or returns columns that no table could have.
    """
    try:
        with interruptible():
            result: Any = function(frame)
    except StepError as error:  # of a job file, not of a user's function
        message, raised = f"{error.field}: {error}", f"ValueError: {error}"
        own = getattr(function, "function", function)  # the user's, before the mapping
        of_every_row = isinstance(error, NoColumnError) and own is None
        raise TransformError(
            message, raised=raised, field=error.field, of_every_row=of_every_row
        ) from None
    except Exception as error:
        raise _raised(error, code) from error
    except SystemExit as error:  # exit() would end a worker's thread silently
        if threading.current_thread() is threading.main_thread():
            raise  # of a signal's handler: the program is to end
        raise _raised(error, code) from error
    if not isinstance(result, pd.DataFrame):
        message = (
            f"{FUNCTION} returned {type(result).__name__}, it must return a pandas DataFrame"
            f"{'; end it with a return' if result is None else ''}"
        )
        raise TransformError(message)
    return _with_plain_columns(result)


def _raised(error: BaseException, code: Code) -> TransformError:
    """Return a function's exception as a chunk reports it, with the exception itself."""
    raised, found = f"{type(error).__name__}: {said(error, redacted)}", failures(error, code)
    message = f"{FUNCTION} raised {raised}\n{formatted(found, redacted)}".rstrip()
    place = found[0].lines[-1].place if found[0].lines else ""
    return TransformError(message, raised=raised, place=place, origin=kept(found))


def _with_plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    levels = [place for place, name in enumerate(frame.index.names) if name is not None]
    names = [*(frame.index.names[place] for place in levels), *frame.columns]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        message = f"{FUNCTION} returned columns {names}; they must be texts, each once"
        raise TransformError(message)
    return frame.reset_index(level=levels) if levels else frame


def in_expected_order(frame: pd.DataFrame, expected: Sequence[str] | None) -> pd.DataFrame:
    """Return the frame with its columns in the plan's order.

    Raises
    ------
    SchemaDriftError
        When it has other columns than the plan saw.
    """
    if expected is None or list(frame.columns) == list(expected):
        return frame
    missing = [name for name in expected if name not in frame.columns]
    added = [name for name in frame.columns if name not in expected]
    if missing or added:
        message = (
            f"{FUNCTION} returned other columns than before: missing {missing}, new {added}; let "
            "it return the same ones for every chunk, also where they are empty"
        )
        raise SchemaDriftError(message)
    return frame[list(expected)]
