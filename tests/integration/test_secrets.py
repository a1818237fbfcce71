"""No password where it could be read: graph, pickle, log, error, repr, report, ledger."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import cloudpickle
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client

from mapper_dask import ChunkManager, MapperError, MapperJob, ParallelProcessor, read_sql_query
from mapper_dask.connections.masking import secrets_of
from mapper_dask.connections.reference import reference
from mapper_dask.users_code import LONGEST_TEXT
from tests.builders import job_of
from tests.database import Databases

PASSWORD = "s3cret/§%40 @:x"


@pytest.fixture
def job(databases: Databases) -> MapperJob:
    databases.source.execute(
        "CREATE TABLE s AS SELECT g AS id, 'x' AS t FROM generate_series(1, 400) g"
    )
    databases.target.execute("CREATE TABLE d (id int, t text)")
    return job_of(
        databases,
        source_conn=with_password(databases.source.url),
        target_conn=with_password(databases.target.url),
        key_column="id",
        chunk_size=50,
        transformation_logic=lambda frame: frame,
    )


def with_password(url: str) -> sa.URL:
    # The server trusts its socket, so any password opens it; this one must only stay hidden.
    return sa.make_url(url).set(password=PASSWORD)


def hidden(*seen: Any) -> bool:
    """Return whether none of the password's spellings is in what was seen, shown or pickled."""
    spellings = secrets_of(sa.URL.create("x", password=PASSWORD))
    assert len(spellings) >= 2
    text = " ".join(map(repr, seen)) + " ".join(map(str, seen))
    pickles = b" ".join(cloudpickle.dumps(thing) for thing in seen)
    return all(s not in text and s.encode() not in pickles for s in spellings)


def test_what_is_sent_to_workers_holds_no_password(
    job: MapperJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []
    submit, run = Client.submit, Client.run

    def seen_submit(self: Client, *args: Any, **kwargs: Any) -> Any:
        sent.append((args, kwargs))
        return submit(self, *args, **kwargs)

    def seen_run(self: Client, *args: Any, **kwargs: Any) -> Any:
        sent.append((args, kwargs))
        return run(self, *args, **kwargs)

    monkeypatch.setattr(Client, "submit", seen_submit)
    monkeypatch.setattr(Client, "run", seen_run)
    with caplog.at_level(logging.DEBUG):
        result = ParallelProcessor(max_workers=2).run(job).raise_for_status()
    assert len(sent) == 11, "eight chunks, the chunk of NULL keys and two checks"
    assert hidden(*sent, result)
    assert caplog.text
    assert hidden(
        caplog.text, [vars(record) for record in caplog.records if not record.exc_info].__repr__()
    )


def test_what_is_kept_holds_no_password(job: MapperJob, databases: Databases) -> None:
    result = ParallelProcessor(enable_parallel=False).run(job)
    ledger = [
        databases.target.fetch(f"SELECT t::text FROM mapper_dask_{name} t")
        for name in ("run", "chunk", "reject")
    ]
    plan = ChunkManager().plan(job)
    assert hidden(
        ledger,
        str(plan),
        plan._repr_html_(),
        plan.to_json(),
        str(result),
        result.to_frame().to_dict(),
    )
    with pytest.raises(MapperError, match="never stored: pass source_conn"):
        ParallelProcessor().resume(result.run_id, target_conn=job.target_conn)


def test_what_is_shown_holds_no_password(job: MapperJob) -> None:
    assert hidden(reference(job.source_conn), reference(job.source_conn).shown)
    assert PASSWORD not in repr(job)
    engine = sa.create_engine(job.source_conn)
    assert hidden(reference(engine))
    engine.dispose()


def test_errors_hold_no_password(job: MapperJob) -> None:
    closed = sa.URL.create("postgresql+psycopg2", "u", PASSWORD, "127.0.0.1", 1, "x")
    unknown = sa.make_url(job.source_conn).set(database="no_such_database")
    for connection in (closed, unknown, f"postgresql+psycopg2://u:{PASSWORD}@[bad"):
        with pytest.raises(MapperError) as caught:
            ParallelProcessor().run(job.evolve(source_conn=connection))
        error: BaseException | None = caught.value
        while error is not None:
            assert hidden(str(error), repr(error))
            error = error.__cause__
    with pytest.raises(MapperError) as caught:
        ParallelProcessor().run(job.evolve(source_sql="SELECT nothing FROM s"))
    assert hidden(str(caught.value))


def shows_its_url(frame: pd.DataFrame) -> pd.DataFrame:
    """Raise as a driver does that was given a URL, of these databases."""
    del frame
    raise ValueError(f"cannot reach postgresql://me:{quote(PASSWORD, safe='')}@db, {PASSWORD}")


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_function_raises_is_told_without_the_password(
    job: MapperJob, databases: Databases, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In the result, the log and the ledger; its own exception stays what it was."""
    processor = ParallelProcessor(workers or 1, on_failure="return", enable_parallel=workers > 0)
    with caplog.at_level(logging.DEBUG):
        result = processor.run(job.evolve(transformation_logic=shows_its_url, reject_limit=0))
    errors = databases.target.fetch("SELECT error FROM mapper_dask_chunk WHERE error IS NOT NULL")
    assert "cannot reach postgresql://me:***@db, ***" in str(errors)
    assert hidden(errors, result.errors, result.error, str(result), caplog.text)


SHOWS_IT = """
CREATE FUNCTION shows_it() RETURNS {kind} LANGUAGE plpgsql AS
$$BEGIN RAISE 'conn password={password} failed'; END$$
"""


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("reject_limit", [0, 3, 1000])
def test_what_the_target_says_of_a_row_is_shown_without_the_password(
    job: MapperJob, databases: Databases, reject_limit: int, *, atomic: bool
) -> None:
    databases.target.execute(
        SHOWS_IT.format(kind="trigger", password=PASSWORD.replace("%", "%%%%"))
    )
    databases.target.execute(
        "CREATE TRIGGER shows_it BEFORE INSERT ON d FOR EACH ROW "
        "WHEN (NEW.id %% 100 = 7) EXECUTE FUNCTION shows_it()"
    )
    processor = ParallelProcessor(enable_parallel=False, on_failure="return")
    asked = job.evolve(reject_limit=reject_limit, atomic=atomic, run_id="r")
    result = processor.run(asked)
    rejected = databases.target.fetch("SELECT reason FROM mapper_dask_reject")
    errors = databases.target.fetch("SELECT error FROM mapper_dask_chunk")
    assert "conn password=*** failed" in f"{rejected}{result}{errors}"
    assert hidden(result, result.error, result.errors, rejected, errors)
    if reject_limit > 4:
        again = processor.retry_rejects("r", target_conn=asked.target_conn, job=asked)
        rejected = databases.target.fetch("SELECT reason FROM mapper_dask_reject")
        assert len(rejected) == 4
        assert hidden(str(again), rejected, processor.rejects("r", target_conn=asked.target_conn))


def test_what_the_source_says_while_a_job_is_planned_is_shown_without_the_password(
    job: MapperJob, databases: Databases
) -> None:
    databases.source.execute(SHOWS_IT.format(kind="int", password=PASSWORD.replace("%", "%%%%")))
    databases.source.execute("ALTER FUNCTION shows_it STABLE")
    databases.source.execute("CREATE VIEW v AS SELECT id, t FROM s WHERE id > shows_it()")
    asked = job.evolve(source_sql="SELECT * FROM v", key_column="id")
    for call in (ChunkManager().plan, ParallelProcessor(enable_parallel=False).run):
        with pytest.raises(MapperError, match=r"conn password=\*\*\* failed") as caught:
            call(asked)
        error: BaseException | None = caught.value
        while error is not None:
            assert hidden(str(error), repr(error))
            error = error.__cause__


def test_a_password_at_the_end_of_what_is_shown_is_masked_before_it_is_cut(
    job: MapperJob, databases: Databases
) -> None:
    def long_text(frame: pd.DataFrame) -> pd.DataFrame:
        del frame
        raise ValueError("x" * (LONGEST_TEXT - 8) + PASSWORD)

    asked = job.evolve(transformation_logic=long_text, run_id="r")
    result = ParallelProcessor(enable_parallel=False, on_failure="return").run(asked)
    errors = databases.target.fetch("SELECT error FROM mapper_dask_chunk")
    for cut in range(4, len(PASSWORD)):
        assert f"x{PASSWORD[:cut]}" not in f"{result.errors}{errors}"


def test_a_dask_frame_holds_no_password(job: MapperJob) -> None:
    frame = read_sql_query("SELECT * FROM s", job.source_conn, "id")
    assert hidden(frame.optimize().__dask_graph__())
    assert len(frame) == 400


def test_a_worker_that_cannot_read_the_password_is_found_before_a_row_moves(
    job: MapperJob, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another host is played by a process in which the file does not exist.
    from mapper_dask.workers import fitness as fit_workers

    def elsewhere(_: Any) -> None:
        message = "a worker cannot read the password that was given inline"
        raise MapperError(message)

    monkeypatch.setattr(fit_workers, "resolve_all", elsewhere)
    with pytest.raises(MapperError, match="the workers cannot use the connections"):
        ParallelProcessor(max_workers=2).run(job)
    assert databases.target.fetch("SELECT to_regclass('mapper_dask_run')") == [(None,)]
