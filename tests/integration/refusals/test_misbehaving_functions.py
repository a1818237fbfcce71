"""What a chunk says whose function misbehaves."""

# ruff: noqa: EM101 - short errors raised on purpose

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import Client

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    ConfigurationError,
    MapperError,
)
from tests.database import Databases
from tests.integration.refusals.shop import SIZE, assert_untouched, move, tables

HERE = Path(__file__).name


def in_chunk_three(frame: pd.DataFrame) -> bool:
    """Only the fourth hundred holds this row, and no row the function is shown beforehand."""
    return bool((frame.id == 350).any())


def raises(frame: pd.DataFrame) -> pd.DataFrame:
    if in_chunk_three(frame):
        raise ValueError("no bread today")
    return frame


def raises_in_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(price=frame["prize"]) if in_chunk_three(frame) else frame


def raises_from_another(frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return raises(frame)
    except ValueError as error:
        raise UnpicklableError(threading.Lock()) from error


class UnpicklableError(Exception):
    """An error that no worker could send."""

    def __init__(self, lock: Any) -> None:
        super().__init__("the shop is shut")
        self.lock = lock


def returns_nothing(frame: pd.DataFrame) -> Any:
    return None if in_chunk_three(frame) else frame


def returns_a_series(frame: pd.DataFrame) -> Any:
    return frame.name if in_chunk_three(frame) else frame


def adds_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(seen=1) if in_chunk_three(frame) else frame


def drops_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="price") if in_chunk_three(frame) else frame


def renames_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"name": "label"}) if in_chunk_three(frame) else frame


def doubles_a_column(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["id", "name", "price", "name"]] if in_chunk_three(frame) else frame


def numbers_its_columns(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(range(3), axis=1) if in_chunk_three(frame) else frame


def changes_a_type(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(price="dear") if in_chunk_three(frame) else frame


MISBEHAVING = [
    (
        raises,
        [
            "the function raised ValueError: no bread today",
            "Traceback",
            f'{HERE}", line ',
            'raise ValueError("no bread today")',
        ],
    ),
    (
        raises_in_pandas,
        [
            "the function raised KeyError: 'prize'",
            f'{HERE}", line ',
            'frame.assign(price=frame["prize"])',
        ],
    ),
    (
        raises_from_another,
        [
            "the function raised UnpicklableError: the shop is shut",
            'raise ValueError("no bread today")',
            "raise UnpicklableError(threading.Lock()) from error",
        ],
    ),
    (returns_nothing, ["the function returned NoneType, it must return a pandas DataFrame"]),
    (returns_a_series, ["the function returned Series, it must return a pandas DataFrame"]),
    (adds_a_column, ["other columns than before: missing [], new ['seen']"]),
    (drops_a_column, ["other columns than before: missing ['price'], new []"]),
    (renames_a_column, ["other columns than before: missing ['name'], new ['label']"]),
    (
        doubles_a_column,
        [("returned columns ['id', 'name', 'price', 'name']; they must be texts, each once")],
    ),
    (numbers_its_columns, ["returned columns [0, 1, 2]; they must be texts, each once"]),
    (changes_a_type, ["price"]),
]


@pytest.mark.parametrize(
    ("function", "told"), MISBEHAVING, ids=[function.__name__ for function, _ in MISBEHAVING]
)
def test_a_chunk_whose_function_misbehaves(
    shop: Databases, processor: ParallelProcessor, function: Any, told: list[str]
) -> None:
    """That chunk fails, by its number and bounds and in the function's own words; no other does."""
    result = move(shop, processor=processor, transformation_logic=function, on_error="continue")
    [error] = result.errors
    assert error.startswith("chunk 3 [301, 401): ")
    for words in told:
        assert words in error
    assert "mapper_dask/chunk" not in error
    assert (result.chunks_succeeded, result.total_rows_successful) == (9, 900)
    assert shop.target.fetch(
        "SELECT count(*), count(*) FILTER (WHERE id BETWEEN 301 AND 400) FROM sold"
    ) == [(900, 0)]
    [(chunk, noted)] = shop.target.fetch(
        "SELECT chunk_id, error FROM mapper_dask_chunk WHERE state = 'PROCESSED_WITH_ERROR'"
    )
    assert (chunk, f"chunk 3 [301, 401): {noted}") == (3, error)


@pytest.mark.parametrize("function", [raises, returns_nothing, adds_a_column])
def test_a_run_that_is_aborted_names_the_chunk(
    shop: Databases, processor: ParallelProcessor, function: Any
) -> None:
    result = move(shop, processor=processor, transformation_logic=function)
    assert result.chunks_failed == 1
    with pytest.raises(MapperError, match=r"First: chunk 3 \[301, 401\): .*: the function r"):
        result.raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM sold WHERE id BETWEEN 301 AND 400") == [(0,)]


def test_a_cluster_of_the_run_s_own_tells_the_same(shop: Databases) -> None:
    """The traceback crosses from worker processes that this run started."""
    result = move(shop, transformation_logic=raises, on_error="continue")
    [error] = result.errors
    assert error.startswith(
        "chunk 3 [301, 401): transformation_logic: the function raised ValueError: no bread today"
    )
    assert 'raise ValueError("no bread today")' in error
    assert len({chunk.worker for chunk in result.chunk_results}) == 2


def fails_at_once(frame: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError(f"{len(frame)} rows are too many")


def test_a_function_that_never_works_moves_nothing(
    shop: Databases, processor: ParallelProcessor
) -> None:
    """It may fail on the rows it is shown alone, so its first chunk tells."""
    result = move(shop, processor=processor, transformation_logic=fails_at_once)
    assert result.total_rows_successful == 0
    assert f"RuntimeError: {SIZE} rows are too many" in result.errors[0]
    assert 'raise RuntimeError(f"{len(frame)} rows are too many")' in result.errors[0]
    assert tables(shop.target)["public.sold"] == 0


def test_a_function_of_a_module_the_workers_lack(
    shop: Databases, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of it would wait on them for ever."""
    (tmp_path / "only_here.py").write_text("def same(frame):\n    return frame\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    processor = ParallelProcessor(2, SIZE, client=client)

    with pytest.raises(ConfigurationError, match="No module named 'only_here'") as caught:
        move(shop, processor=processor, transformation_logic=import_module("only_here").same)

    assert caught.value.details["field"] == "transformation_logic"
    assert_untouched(shop)
