"""Rows that are committed after rows above them were read: late by a number, or by a time."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ExecutionEngine, Flow, FlowJob, Incremental
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.flow import FlowJobResult, JobState
from mapper_dask.flows import late_commits, watermarks
from mapper_dask.ledger.flow_tables import job_run_id
from mapper_dask.ledger.flows import FlowLedger
from tests.builders import job_of
from tests.database import Database, Databases

TABLE = """
CREATE TABLE s (id bigserial PRIMARY KEY, t timestamptz NOT NULL DEFAULT now(),
                local timestamp NOT NULL DEFAULT now(), day date NOT NULL DEFAULT now(),
                n bigint, v text)
"""
INSERT = "INSERT INTO s (v) VALUES ('x')"


@pytest.fixture
def growing(databases: Databases) -> Databases:
    databases.source.execute(TABLE)
    databases.target.execute(
        "CREATE TABLE a (id bigint PRIMARY KEY, t timestamptz, local timestamp, day date, n bigint,"
        " v text)"
    )
    return databases


@contextmanager
def session(database: Database, zone: str = "UTC") -> Iterator[Any]:
    """Lend a session that commits when it is told to, and never by itself."""
    url = sa.make_url(database.url)
    with closing(
        psycopg2.connect(
            host=url.host or url.query.get("host"), port=url.port, user=url.username,
            password=url.password, dbname=url.database, options=f"-c timezone={zone}",
        )
    ) as conn:  # fmt: skip
        yield conn


def flow(databases: Databases, disposition: str = "append", **incremental: Any) -> Flow:
    sql = incremental.pop("sql", "SELECT * FROM s")
    moved = job_of(
        databases, source_sql=sql, target_table="a", write_disposition=disposition, key_column="id"
    )
    wanted = Incremental(**{"column": "id", "commit_wait": 0, **incremental})
    return Flow(name="growing", jobs=(FlowJob(name="a", job=moved, incremental=wanted),))


def run(made: Flow) -> FlowJobResult:
    return ExecutionEngine(1, progress=False).run(made).raise_for_status().jobs[0]


def run_sql(conn: Any, *statements: str) -> None:
    with conn.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def lost_and_doubled(databases: Databases) -> tuple[Counter[Any], Counter[Any]]:
    source, target = (
        Counter(database.fetch(f"SELECT id FROM {table}"))
        for database, table in ((databases.source, "s"), (databases.target, "a"))
    )
    return source - target, target - source


@pytest.mark.parametrize(
    ("column", "disposition"),
    [("id", "append"), ("id", "merge"), ("t", "append"), ("local", "append"), ("day", "merge"),
     ("n", "append")],
)  # fmt: skip
def test_a_row_that_commits_after_a_higher_one_was_read_comes_in_a_later_run(
    growing: Databases, column: str, disposition: str
) -> None:
    made = flow(growing, disposition, column=column)
    with session(growing.source, "Asia/Tokyo") as late:
        run_sql(late, "INSERT INTO s (n, v) VALUES (1, 'late')")
        growing.source.execute("INSERT INTO s (n, v) VALUES (2, 'early')")
        first = run(made)
        assert f"of {column!r}: pid {late.info.backend_pid}" in first.warnings[0]
        late.commit()
    run(made)
    assert lost_and_doubled(growing) == (Counter(), Counter())


def test_without_the_rule_the_row_is_lost(growing: Databases) -> None:
    """What ``in_progress="ignore"`` says of itself; and that the test above has teeth."""
    made = flow(growing, in_progress="ignore")
    with session(growing.source) as late:
        run_sql(late, INSERT)
        growing.source.execute(INSERT)
        assert run(made).rows == 1
        late.commit()
    run(made)
    lost, doubled = lost_and_doubled(growing)
    assert (lost.total(), doubled.total()) == (1, 0)


def test_times_below_the_start_of_what_is_in_progress_are_read(growing: Databases) -> None:
    growing.source.execute("INSERT INTO s (t, v) SELECT now() - g * interval '1 h', 'old'"
                           " FROM generate_series(1, 50) g")  # fmt: skip
    with session(growing.source) as reader:
        run_sql(reader, "SELECT count(*) FROM s")  # it has written nothing, and may still
        growing.source.execute(INSERT)
        held_back = run(flow(growing, column="t"))
        assert held_back.rows == 50
        assert "only rows below them are read" in held_back.warnings[0]
        run_sql(reader, INSERT)
        reader.commit()
    assert run(flow(growing, column="t")).rows == 2
    assert lost_and_doubled(growing) == (Counter(), Counter())


def test_readers_and_writers_of_other_tables_do_not_hold_back_numbers(growing: Databases) -> None:
    growing.source.execute("CREATE TABLE other (v text)")
    with session(growing.source) as reader, session(growing.source) as writer:
        run_sql(reader, "SELECT count(*) FROM s")
        run_sql(writer, "INSERT INTO other VALUES ('x')")
        growing.source.execute(INSERT)
        moved = run(flow(growing))
        assert (moved.rows, moved.warnings) == (1, ())


def test_a_number_that_was_fetched_before_its_row_is_written_counts(growing: Databases) -> None:
    with session(growing.source) as late:
        run_sql(late, "SELECT nextval('s_id_seq')")
        growing.source.execute(INSERT)
        assert run(flow(growing)).rows == 0
        run_sql(late, "INSERT INTO s (id, v) VALUES (currval('s_id_seq'), 'late')")
        late.commit()
    assert run(flow(growing)).rows == 2


@pytest.mark.parametrize("sql", ["SELECT * FROM whole", "SELECT s.* FROM s JOIN o ON o.v = s.v"])
def test_writers_are_found_behind_a_view_and_in_partitions(growing: Databases, sql: str) -> None:
    growing.source.execute("CREATE TABLE o AS SELECT 'x'::text AS v")
    growing.source.execute(
        "ALTER TABLE s RENAME TO s1; ALTER TABLE s1 ADD CONSTRAINT r CHECK (id < 1000000);"
        "CREATE TABLE s (LIKE s1 INCLUDING DEFAULTS) PARTITION BY RANGE (id);"
        "ALTER TABLE s ATTACH PARTITION s1 FOR VALUES FROM (MINVALUE) TO (1000000);"
        "CREATE VIEW whole AS SELECT * FROM s"
    )
    with session(growing.source) as late:
        run_sql(late, "INSERT INTO s1 (v) VALUES ('x')")
        growing.source.execute(INSERT)
        assert run(flow(growing, sql=sql)).rows == 0
        late.commit()
    assert run(flow(growing, sql=sql)).rows == 2
    assert lost_and_doubled(growing) == (Counter(), Counter())


def test_the_wait_ends_with_what_is_waited_for(
    growing: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    with session(growing.source) as late:
        run_sql(late, INSERT)
        growing.source.execute(INSERT)
        awaited = threading.Event()

        class Hear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "commits_awaited" in record.getMessage():
                    awaited.set()

        def commit() -> None:
            awaited.wait(60)
            late.commit()

        logger = logging.getLogger("mapper_dask")
        hear, writer = Hear(), threading.Thread(target=commit)
        logger.addHandler(hear)
        writer.start()
        try:
            with caplog.at_level("INFO", "mapper_dask"):
                moved = run(flow(growing, commit_wait=600))
        finally:
            writer.join()
            logger.removeHandler(hear)
    assert (moved.rows, moved.warnings) == (2, ())


def test_a_job_that_waits_is_stopped_at_once(growing: Databases) -> None:
    """A sleep that is broken off ends the wait, whatever is left of it."""

    class StoppedError(Exception):
        pass

    def stop(_seconds: float) -> None:
        raise StoppedError

    made = flow(growing, commit_wait=600)
    ledger = FlowLedger(reference(growing.target.url), "monday")
    ledger.prepare()
    stored = ledger.open(made)["a"]
    with session(growing.source) as late:
        run_sql(late, INSERT)
        growing.source.execute(INSERT)
        with pytest.raises(StoppedError):
            watermarks.opened(made.name, made.jobs[0], ledger, stored, stop)


@pytest.mark.parametrize("option", ["CACHE 20", "CYCLE", "INCREMENT BY -1"])
def test_a_sequence_that_gives_lower_numbers_later_is_refused(
    growing: Databases, option: str
) -> None:
    least = "MINVALUE -100 " if "-1" in option else ""
    growing.source.execute(f"ALTER SEQUENCE s_id_seq {least}{option}")
    growing.source.execute(INSERT)
    refused = ExecutionEngine(1, progress=False).run(flow(growing))
    assert "is fed by the sequence s_id_seq" in str(refused.jobs[0].error)
    assert run(flow(growing, in_progress="ignore")).rows == 1


def test_who_may_not_see_a_start_does_not_pass_over_it(growing: Databases) -> None:
    """Another role's start is hidden from a role without rights: the mark stays where it is."""
    role = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
    growing.source.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    growing.source.execute(f"GRANT SELECT ON s TO {role}")
    made = flow(growing, column="t")
    [job] = made.jobs
    plain = sa.make_url(growing.source.url).set(username=role, password="x")
    made = made.evolve(jobs=(replace(job, job=job.job.evolve(source_conn=plain)),))
    try:
        with session(growing.source) as late:
            run_sql(late, INSERT)
            growing.source.execute(INSERT)
            held_back = run(made)
            assert held_back.rows == 0
            assert "no new row is read yet" in held_back.warnings[0]
            late.commit()
        assert run(made).rows == 2
    finally:
        dispose_engines()
        growing.source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# -- generated interleavings -----------------------------------------------------------------------


@dataclass
class Play:
    """Writers whose transactions overlap, and runs between any two of their statements."""

    databases: Databases
    made: Flow
    chance: random.Random
    writers: list[Any]
    opening: int = 0
    seen: Counter[int] = field(default_factory=Counter)

    def step(self) -> None:
        writer = self.chance.choice(self.writers)
        what = self.chance.choice(("insert", "insert", "look", "end", "run"))
        if what == "run":
            self.read()
        elif what == "insert":
            run_sql(writer, INSERT)
        elif what == "look":
            run_sql(writer, "SELECT count(*) FROM s")
        else:
            self.chance.choice((writer.commit, writer.commit, writer.rollback))()

    def read(self) -> None:
        """Open a window as a run does, read it, and note that it was read to its end."""
        self.opening += 1
        ledger = FlowLedger(reference(self.databases.target.url), f"r{self.opening}")
        stored, [job] = ledger.open(self.made)["a"], self.made.jobs
        ledger.begin_job(job.name, job_run_id(ledger.run_id, job.name))
        reading = watermarks.opened(self.made.name, job, ledger, stored)
        rows = self.databases.source.fetch(f"SELECT id FROM ({reading.sql}) q")
        self.seen.update(row for (row,) in rows)
        ledger.end_job(job.name, JobState.SUCCEEDED)


INTERLEAVINGS = 50


@pytest.mark.parametrize("disposition", ["append", "merge"])
@pytest.mark.parametrize("column", ["id", "t"])
def test_however_transactions_overlap_each_row_is_read_once(
    growing: Databases, column: str, disposition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 interleavings in all: the union of the windows is the table, and no row is twice."""
    assert played(growing, column, disposition, monkeypatch) == {}


def played(
    databases: Databases, column: str, disposition: str, monkeypatch: pytest.MonkeyPatch, **how: Any
) -> dict[int, tuple[Counter[int], Counter[int]]]:
    """Return the interleavings that lost or doubled rows, with these."""
    # One thread does all of it, so that no transaction begins between its time and its number.
    monkeypatch.setattr(late_commits, "CLOCK_GAP", 0.0)
    made = flow(databases, disposition, column=column, check_target=False, **how)
    FlowLedger(reference(databases.target.url), "").prepare()
    wrong = {}
    with ExitStack() as stack:
        writers = [stack.enter_context(session(databases.source)) for _ in range(3)]
        for seed in range(INTERLEAVINGS):
            named = made.evolve(name=f"play {seed}")
            play = Play(databases, named, random.Random(seed), writers, opening=seed * 1000)
            for _ in range(12):
                play.step()
            for writer in writers:
                writer.commit()
            play.read()
            table = Counter(row for (row,) in databases.source.fetch("SELECT id FROM s"))
            if play.seen != table:
                wrong[seed] = (table - play.seen, play.seen - table)
            databases.source.execute("DELETE FROM s")
    return wrong


@pytest.mark.parametrize("column", ["id", "t"])
def test_the_interleavings_find_a_rule_that_is_broken(
    growing: Databases, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played(growing, column, "append", monkeypatch, in_progress="ignore")


@pytest.mark.parametrize("column", ["id", "t"])
def test_prepared_transactions_count(growing: Databases, column: str) -> None:
    [(most,)] = growing.source.fetch("SHOW max_prepared_transactions")
    if most == "0":
        pytest.skip("max_prepared_transactions is 0 here")
    name = f"mapper_dask_{uuid.uuid4().hex}"
    with session(growing.source) as late:
        run_sql(late, INSERT, f"PREPARE TRANSACTION '{name}'")
    try:
        growing.source.execute(INSERT)
        held_back = run(flow(growing, column=column))
    finally:
        growing.source.execute(f"COMMIT PREPARED '{name}'")
    assert held_back.rows == 0
    assert "a prepared transaction" in held_back.warnings[0]
    run(flow(growing, column=column))
    assert lost_and_doubled(growing) == (Counter(), Counter())


@pytest.mark.parametrize(
    ("column", "disposition", "rule"),
    [
        ("id", "append", "the sequence s_id_seq feeds it"),
        ("t", "append", "the mark stays below the start of those that remain"),
        ("n", "merge", "no sequence feeds it as far as is known"),
        ("day", "merge", "rows at the last mark are read again"),
    ],
)
def test_the_plan_says_which_rule_holds_and_what_it_cannot_see(
    growing: Databases, column: str, disposition: str, rule: str
) -> None:
    notes = " ".join(watermarks.check(flow(growing, disposition, column=column).jobs[0]))
    assert rule in notes
    assert "it rests on this" in notes
    assert "never seen: rows that are deleted" in notes
