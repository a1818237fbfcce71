"""Everything that writes, small enough to be killed at each of its messages.

A work is begun undisturbed, then done under kills, again and again until it says that it is done.
Doing it once more is what a person would: run it again, resume it, call it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mapper_dask import (
    ExecutionEngine,
    Flow,
    FlowJob,
    Incremental,
    MapperJob,
    ParallelProcessor,
)
from mapper_dask.connections.reference import reference
from mapper_dask.errors import RunNotFoundError
from mapper_dask.ledger import cleanup as housekeeping
from tests.builders import job_of
from tests.database import Database, Databases

ROWS = 600
CHUNK_SIZE = 200
OLD = 300
"""Rows that stand in a target before: of the keys from 1, with a value of their own."""

SOURCE = f"""
CREATE TABLE s AS SELECT g AS id, g * 1.5 AS v, md5(g::text) AS t
FROM generate_series(1, {ROWS}) g;
ALTER TABLE s ADD PRIMARY KEY (id);
ANALYZE s
"""

HEAP = "CREATE TABLE d (id int, v numeric, t text)"
"""Without a key: nothing but the library keeps a row from coming twice."""

TARGET = HEAP.replace("id int", "id int PRIMARY KEY")
NEW_ROWS = "SELECT id, v, t FROM s"
OLD_ROWS = f"SELECT g, -1.0, 'old' FROM generate_series(1, {OLD}) g"

MERGED = {"write_disposition": "merge", "primary_key": "id"}

Rows = Counter[tuple[Any, ...]]
Verdict = tuple[int, int]
"""Rows that are lost, and rows that are doubled or should not be there."""


def processor() -> ParallelProcessor:
    return ParallelProcessor(enable_parallel=False, progress=False)


def job(at: Databases, run_id: str, **options: Any) -> MapperJob:
    usual = {"chunk_size": CHUNK_SIZE, "key_column": "id"}
    return job_of(at, run_id=run_id, **{**usual, **options})


def rows_of(database: Database, sql: str = "SELECT id, v, t FROM d") -> Rows:
    return Counter(database.fetch(sql))


def difference(found: Rows, expected: Rows) -> Verdict:
    return (expected - found).total(), (found - expected).total()


def expected_rows(at: Databases) -> Rows:
    return rows_of(at.source, NEW_ROWS)


def tables_left(target: Database) -> int:
    """Return how many tables of ours stand there that only a run under way may have."""
    [(left,)] = target.fetch(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'mapper%%stage%%' AND relkind = 'r'"
    )
    return int(left)


@dataclass(frozen=True)
class Work:
    """Something that writes."""

    begin: Callable[[Databases], None]
    """Brings the target to where the work starts; not disturbed."""
    act: Callable[[Databases], bool]
    """Does it, or goes on with it; returns whether it is done."""
    compare: Callable[[Databases], Verdict]
    """What is wrong once it is done."""
    between: Callable[[Databases], Verdict] | None = None
    """What is wrong while it is not, where readers must never see half of it."""


# -- runs ----------------------------------------------------------------------------------------


def raised(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=frame["v"] + 0)


def empty(at: Databases) -> None:
    at.target.execute(HEAP)


def with_old_rows(at: Databases) -> None:
    at.target.execute(TARGET)
    at.target.execute(f"INSERT INTO d {OLD_ROWS}")


def moves(run_id: str = "work", **options: Any) -> Callable[[Databases], bool]:
    def act(at: Databases) -> bool:
        return processor().run(job(at, run_id, **options)).succeeded

    return act


def all_new(at: Databases) -> Verdict:
    lost, more = difference(rows_of(at.target), expected_rows(at))
    return lost, more + tables_left(at.target)


def old_or_new(at: Databases) -> Verdict:
    found = rows_of(at.target)
    halves = (difference(found, rows_of(at.source, OLD_ROWS)), difference(found, expected_rows(at)))
    return min(halves)


def none_or_new(at: Databases) -> Verdict:
    found = rows_of(at.target)
    return min(difference(found, Counter()), difference(found, expected_rows(at)))


# -- repair --------------------------------------------------------------------------------------

MORE_ROWS = f"SELECT id + {ROWS} AS id, v, t FROM s"


def damaged(at: Databases) -> None:
    """Let two runs load, and lose rows of the first one."""
    at.target.execute(TARGET)
    processor().run(job(at, "other", source_sql=MORE_ROWS)).raise_for_status()
    processor().run(job(at, "work")).raise_for_status()
    at.target.execute("DELETE FROM d WHERE id < 400 AND id % 7 = 0".replace("%", "%%"))


def repair(at: Databases) -> bool:
    return processor().reconcile("work", target_conn=at.target.url, repair=True).matches


def both_runs(at: Databases) -> Verdict:
    return difference(rows_of(at.target), expected_rows(at) + rows_of(at.source, MORE_ROWS))


# -- rejects -------------------------------------------------------------------------------------


def with_rejects(at: Databases) -> None:
    """Load all rows but those a constraint refuses, and take that away."""
    empty(at)
    at.target.execute("ALTER TABLE d ADD CONSTRAINT few CHECK (id % 10 <> 3)".replace("%", "%%"))
    processor().run(job(at, "work", reject_limit=ROWS)).raise_for_status()
    at.target.execute("ALTER TABLE d DROP CONSTRAINT few")


def retry(at: Databases) -> bool:
    processor().retry_rejects("work", target_conn=at.target.url)
    return processor().rejects("work", target_conn=at.target.url).empty


def none_set_aside(at: Databases) -> Verdict:
    [(left,)] = at.target.fetch("SELECT count(*) FROM mapper_dask_reject")
    [(booked,)] = at.target.fetch("SELECT sum(rows_loaded)::int FROM mapper_dask_chunk")
    lost, more = all_new(at)
    return lost, more + left + abs(booked - ROWS)


# -- rows that only the target refuses, when they are published --------------------------------

FUSSY = """
CREATE FUNCTION fussy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF new.t <> 'old' AND mod(new.id, 10) = 3 THEN RAISE EXCEPTION 'no' USING ERRCODE = 'MYE01'; END IF;
RETURN new; END $$;
CREATE TRIGGER fussy BEFORE INSERT OR UPDATE ON d FOR EACH ROW EXECUTE FUNCTION fussy()
"""
REFUSED = "SELECT id, v, t FROM s WHERE mod(id::int, 10) = 3"


def fussy(at: Databases) -> None:
    at.target.execute(TARGET + ";" + FUSSY)


def fussy_with_old_rows(at: Databases) -> None:
    fussy(at)
    at.target.execute(f"INSERT INTO d {OLD_ROWS}")


def taken_rows(at: Databases, *, merged: bool = False) -> Rows:
    """Return what must be in the target: a merge leaves the old row of one that is refused."""
    taken = expected_rows(at) - rows_of(at.source, REFUSED)
    kept = rows_of(at.source, f"SELECT * FROM ({OLD_ROWS}) q (id, v, t) WHERE mod(id, 10) = 3")
    return taken + kept if merged else taken


def set_aside(at: Databases) -> Verdict:
    """Compare the rejects with what must be refused: each once, of its own chunk, and counted."""
    values = """("row"->>'id')::int, ("row"->>'v')::numeric, "row"->>'t'"""
    stored = f"SELECT {values} FROM mapper_dask_reject"
    lost, more = difference(rows_of(at.target, stored), rows_of(at.source, REFUSED))
    wrong = at.target.fetch(
        "SELECT FROM mapper_dask_chunk c WHERE rows_out <> rows_loaded + rows_rejected OR "
        f"rows_rejected <> (SELECT count(*) FROM mapper_dask_reject r "
        "WHERE r.chunk_id = c.chunk_id "
        f"AND (\"row\"->>'id')::int BETWEEN c.chunk_id * {CHUNK_SIZE} + 1 "
        f"AND (c.chunk_id + 1) * {CHUNK_SIZE})"
    )
    return lost, more + len(wrong) + tables_left(at.target)


def all_but_refused(at: Databases, *, merged: bool = False) -> Verdict:
    lost, more = difference(rows_of(at.target), taken_rows(at, merged=merged))
    less, extra = set_aside(at)
    return lost + less, more + extra


def merged_but_refused(at: Databases) -> Verdict:
    return all_but_refused(at, merged=True)


def nothing_or_all(at: Databases) -> Verdict:
    """Compare with what stood there before, without a reject, and with the end, with all."""
    there = at.target.fetch("SELECT FROM pg_class WHERE relname = 'mapper_dask_reject'")
    rejects = there and at.target.fetch("SELECT FROM mapper_dask_reject LIMIT 1")
    found = rows_of(at.target)
    before = [Counter(), rows_of(at.source, OLD_ROWS)]
    after = [taken_rows(at), taken_rows(at, merged=True)]
    return min(difference(found, rows) for rows in (after if rejects else before))


def merged_with_rejects(at: Databases) -> None:
    """Merge all rows but those a trigger refuses, and take that away."""
    fussy_with_old_rows(at)
    work = job(at, "work", reject_limit=ROWS, **MERGED)
    processor().run(work).raise_for_status()
    assert merged_but_refused(at) == (0, 0)
    at.target.execute("DROP TRIGGER fussy ON d")


# -- discard, clean ------------------------------------------------------------------------------


def fails(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["id"] > ROWS - 10).any():
        message = "no more of these"
        raise ValueError(message)
    return frame


def half_staged(at: Databases) -> None:
    with_old_rows(at)
    work = job(at, "work", write_disposition="replace", transformation_logic=fails)
    assert not processor().run(work).succeeded
    assert tables_left(at.target) == 1


def discard(at: Databases) -> bool:
    try:
        processor().discard("work", target_conn=at.target.url)
    except RunNotFoundError:
        return True
    return True


def much_gathered(at: Databases) -> None:
    """Leave three runs in the ledger: one that went well, one of rows set aside, one half done."""
    half_staged(at)
    at.target.execute("CREATE TABLE e (LIKE d)")
    for run_id in ("first", "second"):
        processor().run(job(at, run_id, target_table="e", reject_limit=9)).raise_for_status()


def clean(at: Databases) -> bool:
    ledger = reference(at.target.url, "ledger")
    housekeeping.clean(ledger, older_than=0, unfinished=True)
    return True


def as_before(at: Databases) -> Verdict:
    """Compare the target with what stood there before; nothing of a run may be left."""
    lost, more = untouched(at)
    [(runs,)] = at.target.fetch(
        "SELECT (SELECT count(*) FROM mapper_dask_run) + (SELECT count(*) FROM mapper_dask_chunk)"
    )
    return lost, more + runs + tables_left(at.target)


def untouched(at: Databases) -> Verdict:
    return difference(rows_of(at.target), rows_of(at.source, OLD_ROWS))


def as_before_and_loaded(at: Databases) -> Verdict:
    lost, more = as_before(at)
    twice = expected_rows(at) + expected_rows(at)
    less, extra = difference(rows_of(at.target, "SELECT id, v, t FROM e"), twice)
    return lost + less, more + extra


# -- flows ---------------------------------------------------------------------------------------


def flow(at: Databases) -> Flow:
    def step(name: str, *after: str, **options: Any) -> FlowJob:
        kept = {key: options.pop(key) for key in ("incremental",) if key in options}
        work = job(at, "unused", target_table=name, **options).evolve(run_id=None)
        return FlowJob(name=name, job=work, depends_on=after, **kept)

    new = Incremental(column="id")
    return Flow(
        name="works",
        run_id="work",
        jobs=(
            step("a", write_disposition="replace"),
            step("b", "a"),
            step("c", "b", write_disposition="merge", primary_key="id", incremental=new),
        ),
    )


def three_tables(at: Databases) -> None:
    for name in "abc":
        at.target.execute(TARGET.replace("TABLE d", f"TABLE {name}"))
    at.target.execute(f"INSERT INTO a {OLD_ROWS}")


def do_flow(at: Databases) -> bool:
    engine = ExecutionEngine(1, progress=False)
    try:
        return engine.resume("work", ledger_conn=at.target.url, flow=flow(at)).succeeded
    except RunNotFoundError:
        return engine.run(flow(at)).succeeded


def each_table(at: Databases) -> Verdict:
    wrong = [
        difference(rows_of(at.target, f"SELECT id, v, t FROM {name}"), expected_rows(at))
        for name in "abc"
    ]
    lost, more = (sum(side) for side in zip(*wrong, strict=True))
    return lost, more + tables_left(at.target)


WORKS = {
    "append": Work(empty, moves(transformation_logic=raised), all_new),
    "atomic": Work(empty, moves(atomic=True), all_new, none_or_new),
    "replace": Work(with_old_rows, moves(write_disposition="replace"), all_new, old_or_new),
    "merge": Work(with_old_rows, moves(**MERGED), all_new, old_or_new),
    "atomic but some": Work(
        fussy, moves(atomic=True, reject_limit=ROWS), all_but_refused, nothing_or_all),
    "replace but some": Work(
        fussy_with_old_rows, moves(write_disposition="replace", reject_limit=ROWS),
        all_but_refused, nothing_or_all),
    "merge but some": Work(
        fussy_with_old_rows, moves(reject_limit=ROWS, **MERGED),
        merged_but_refused, nothing_or_all),
    "retry of a merge": Work(merged_with_rejects, retry, none_set_aside),
    "repair": Work(damaged, repair, both_runs),
    "retry": Work(with_rejects, retry, none_set_aside),
    "discard": Work(half_staged, discard, as_before, untouched),
    "clean": Work(much_gathered, clean, as_before_and_loaded, untouched),
    "flow": Work(three_tables, do_flow, each_table),
}  # fmt: skip
