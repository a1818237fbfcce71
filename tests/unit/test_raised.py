"""An exception of the user's on its way: whatever its class does, the chunk's failure is told."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ChunkResult, users_code
from mapper_dask.chunk.transform import apply
from mapper_dask.errors import TransformError
from mapper_dask.parallel_models import ChunkState
from mapper_dask.raised import MOST_BYTES, PickledError, Raised
from mapper_dask.workers.outcomes import OneRaised

FRAME = pd.DataFrame({"a": [1]})


class Untold(Exception):  # noqa: N818 - what it is called is the user's business
    def __str__(self) -> str:
        raise RuntimeError


class UntoldExit(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise SystemExit(3)


class NoText(Exception):  # noqa: N818
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307


class Leaves(Exception):  # noqa: N818
    def __reduce__(self) -> Any:
        raise SystemExit(4)


def leave(*_parts: object) -> Any:
    raise SystemExit(5)


class LeavesThere(Exception):  # noqa: N818
    def __reduce__(self) -> Any:
        return leave, ()


class Large(Exception):  # noqa: N818
    def __init__(self) -> None:
        super().__init__("large")
        self.data = "x" * MOST_BYTES


@pytest.mark.parametrize("kind", [Untold, UntoldExit, NoText, Leaves, LeavesThere, Large])
def test_the_failure_is_told_whatever_the_exception_does(kind: type[Exception]) -> None:
    def clean(_frame: pd.DataFrame) -> pd.DataFrame:
        raise kind

    with pytest.raises(TransformError) as caught:
        apply(clean, FRAME)

    assert f"transformation_logic: the function raised {kind.__name__}: " in str(caught.value)
    assert "in clean" in str(caught.value)
    origin = caught.value.details["origin"]
    assert (origin is None) is (kind in (Leaves, LeavesThere, Large))


def test_one_that_leaves_where_it_is_made_again_is_told_without_it() -> None:
    import cloudpickle

    raised = Raised((PickledError(cloudpickle.dumps(LeavesThere()), (), caused=False),))
    assert raised.revived() is None


def test_exit_in_a_thread_of_a_worker_is_the_functions_error() -> None:
    def clean(_frame: pd.DataFrame) -> pd.DataFrame:
        sys.exit("no data today")

    with ThreadPoolExecutor(1) as worker:
        error = worker.submit(apply, clean, FRAME).exception()
    assert isinstance(error, TransformError)
    assert "the function raised SystemExit: no data today" in str(error)


def test_an_interruption_while_a_text_is_made_goes_on() -> None:
    class Interrupted(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise KeyboardInterrupt

    def clean(_frame: pd.DataFrame) -> pd.DataFrame:
        raise Interrupted

    with pytest.raises(KeyboardInterrupt):
        apply(clean, FRAME)


def test_of_many_failed_chunks_one_keeps_its_exception() -> None:
    raised = Raised((PickledError(b"x" * MOST_BYTES, (), caused=False),))
    state, one = ChunkState.PROCESSED_WITH_ERROR, OneRaised()
    failed = [ChunkResult(n, state, error=f"no {n}", raised=raised) for n in range(4)]
    kept = [one.kept(result) for result in [ChunkResult(9, ChunkState.PROCESSED), *failed]]

    assert [result.raised for result in kept] == [None, raised, None, None, None]
    assert [result.error for result in kept] == [None, "no 0", "no 1", "no 2", "no 3"]


def test_a_text_that_holds_data_is_cut() -> None:
    error = ValueError("x" * 1_000_000)

    assert len(users_code.said(error)) < 20_000
