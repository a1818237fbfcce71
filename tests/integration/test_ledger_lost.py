"""A ledger that is dropped, emptied or restored under a run is told as that."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessor, reject
from mapper_dask.chunk import chunk_processor
from mapper_dask.errors import LedgerLostError, MapperError, RunNotFoundError
from mapper_dask.repair import retry_rejects
from mapper_dask.run import execution
from tests import builders
from tests.builders import make_shop
from tests.database import Databases

LOSSES = {
    "dropped": "DROP TABLE mapper_dask_run, mapper_dask_chunk, mapper_dask_reject",
    "emptied": "TRUNCATE mapper_dask_run CASCADE",
    "chunks gone": "DELETE FROM mapper_dask_chunk",
    "a chunk gone": "DELETE FROM mapper_dask_chunk WHERE chunk_id = 2",
}


@pytest.fixture
def shop(databases: Databases) -> Databases:
    return make_shop(databases, 400, target="d (id int PRIMARY KEY)")


def job_of(shop: Databases, **changes: Any) -> MapperJob:
    return builders.job_of(
        shop, source_sql="SELECT id FROM s", run_id="r", **{"chunk_size": 100, **changes}
    )


def rows(shop: Databases) -> int:
    return shop.target.fetch("SELECT count(*) FROM d")[0][0]


PROCESSOR = ParallelProcessor(enable_parallel=False, retries=2, progress=False)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("disposition", ["append", "replace"])
@pytest.mark.parametrize("step", ["assign", "target_session"])
def test_before_a_chunk(
    shop: Databases, loss: str, disposition: Any, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, lost = getattr(chunk_processor, step), []

    def late(load: Any, chunk_id: int) -> Any:
        if chunk_id == 1 and not lost:
            lost.append(shop.target.execute(LOSSES[loss]))
        return begin(load, chunk_id)

    monkeypatch.setattr(chunk_processor, step, late)
    job = job_of(shop, write_disposition=disposition, on_error="continue", chunk_size=100)
    with pytest.raises(LedgerLostError, match=r"no .*run 'r' any more.*new run_id") as caught:
        PROCESSOR.run(job)
    assert caught.value.details["run_id"] == "r"
    assert not pickle.loads(pickle.dumps(caught.value)).transient
    assert lost
    kept = 200 if loss == "a chunk gone" else 100
    assert rows(shop) == (kept if disposition == "append" else 0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_before_it_is_published(
    shop: Databases, loss: str, disposition: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = execution.stored_runs.finish

    def late(*args: Any) -> Any:
        shop.target.execute(LOSSES[loss])
        return finish(*args)

    monkeypatch.setattr(execution.stored_runs, "finish", late)
    with pytest.raises(LedgerLostError, match="any more"):
        PROCESSOR.run(job_of(shop, write_disposition=disposition))
    assert rows(shop) == {"append": 400, "replace": 0}[disposition]


def marked(frame: pd.DataFrame) -> pd.DataFrame:
    return reject(frame, frame.id.isin([100, 200, 300, 400]), "round")


@pytest.mark.parametrize("loss", ["dropped", "emptied"])
def test_in_a_retry(shop: Databases, loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(shop, transformation_logic=marked, reject_limit=10)
    PROCESSOR.run(job).raise_for_status()
    prepare = retry_rejects.prepare

    def late(*args: Any) -> Any:
        made = prepare(*args)
        shop.target.execute(LOSSES[loss])
        return made

    monkeypatch.setattr(retry_rejects, "prepare", late)
    with pytest.raises(LedgerLostError, match="any more"):
        PROCESSOR.retry_rejects(
            "r", target_conn=shop.target.url, source_conn=shop.source.url,
            transformation_logic=marked,
        )  # fmt: skip
    assert rows(shop) == 396


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "work",
    [
        lambda **known: PROCESSOR.resume("r", **known),
        lambda **known: PROCESSOR.reconcile("r", **known),
        lambda **known: PROCESSOR.retry_rejects("r", **known),
    ],
    ids=["resume", "reconcile", "retry"],
)
def test_before_it_is_looked_at_again(shop: Databases, loss: str, work: Callable[..., Any]) -> None:
    PROCESSOR.run(job_of(shop)).raise_for_status()
    shop.target.execute(LOSSES[loss])
    if loss in ("dropped", "emptied"):
        with pytest.raises(RunNotFoundError, match="has no run 'r'"):
            work(target_conn=shop.target.url, source_conn=shop.source.url)
        return
    try:
        work(target_conn=shop.target.url, source_conn=shop.source.url)
    except MapperError as error:
        assert "chunks do not cover" in str(error)  # noqa: PT017
    else:
        assert work.__code__.co_names[1] == "retry_rejects", "nothing was set aside"
