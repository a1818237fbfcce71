"""Frames are computed anywhere, and show no secret."""

from __future__ import annotations

import os

import cloudpickle
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import read_sql_query
from mapper_dask.errors import (
    ConfigurationError,
    EncodeError,
)
from tests.database import Database
from tests.integration.frames.readings import ALL, PASSWORD, ROWS, SIZE, hidden


def with_password(url: str) -> sa.URL:
    # The server trusts its socket, so any password opens it; this one must only stay hidden.
    return sa.make_url(url).set(password=PASSWORD)


def with_process(part: pd.DataFrame) -> pd.DataFrame:
    return part.assign(process=os.getpid())


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_it_computes_in_this_process(source: Database, scheduler: str) -> None:
    """With more threads than a pool keeps connections, too."""
    frame = read_sql_query(ALL, with_password(source.url), "id", chunk_size=20)
    computed = frame.map_partitions(with_process).compute(scheduler=scheduler, num_workers=8)
    assert list(computed.index) == list(range(1, ROWS + 1))
    assert set(computed.process) == {os.getpid()}


def test_it_computes_on_worker_processes(source: Database, client: Client) -> None:
    """They find the password that is not in what they are sent."""
    frame = read_sql_query(ALL, with_password(source.url), "k", chunk_size=SIZE)
    computed = client.compute(frame.map_partitions(with_process)).result()
    workers = set(client.run(os.getpid).values())
    assert set(computed.process) <= workers
    assert sorted(computed.id) == list(range(1, ROWS + 1))


def test_an_error_of_a_worker_process_arrives_as_it_was_raised(
    source: Database, client: Client
) -> None:
    """It has its type and its text, which name the column."""
    frame = read_sql_query("SELECT 1 AS id, date 'infinity' AS d", source.url, "id")
    with pytest.raises(EncodeError, match="column 'd'"):
        client.compute(frame).result()


@pytest.mark.parametrize("kind", ["url", "text", "engine"])
def test_neither_the_graph_nor_what_is_shown_holds_the_password(
    source: Database, kind: str
) -> None:
    """Nor does the expression, before or after it is optimized, in any spelling of a URL."""
    url = with_password(source.url)
    engine = sa.create_engine(url)
    con = {"url": url, "text": url.render_as_string(hide_password=False), "engine": engine}[kind]
    assert not hidden([url.render_as_string(hide_password=False)])
    read = read_sql_query(ALL, con, "id", chunk_size=SIZE)
    for frame in (read, read.map_partitions(with_process), read.assign(one=1)):
        assert hidden(frame, frame.expr, dict(frame.dask), dict(frame.optimize().__dask_graph__()))
        assert hidden(frame._repr_html_(), frame.expr.tree_repr(), *frame.to_delayed())
    engine.dispose()


def test_an_environment_variable_is_looked_up_when_it_is_read(
    source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its name is in the graph."""
    monkeypatch.setenv("FRAMES_SOURCE", source.url)
    frame = read_sql_query(ALL, "env:FRAMES_SOURCE", "id")
    assert source.url.encode() not in cloudpickle.dumps(dict(frame.dask))
    assert len(frame) == ROWS
    monkeypatch.delenv("FRAMES_SOURCE")
    with pytest.raises(ConfigurationError, match="FRAMES_SOURCE is not set"):
        frame.compute()
