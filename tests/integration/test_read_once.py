"""A query that is read once: its rows wait in files, are cut there, and move in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster

from mapper_dask import MapperJob, ParallelProcessor, read_sql_query
from mapper_dask.chunk import reading
from mapper_dask.chunk.chunk_processor import process_chunk
from mapper_dask.cli import main
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.snapshot import keep_snapshot
from mapper_dask.errors import ConfigurationError, DatabaseError, RunStoppedError
from mapper_dask.ledger import cleanup as housekeeping
from mapper_dask.ledger.runs import RunLedger
from mapper_dask.parallel_models import ChunkKind
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.preflight.checks import prepare
from mapper_dask.resolved_job import resolved
from mapper_dask.run import spooling
from mapper_dask.workers import dispatch
from mapper_dask.workers import engines as dask_engine
from tests.database import Databases
from tests.fault.reading_once import (
    CHUNK_SIZE,
    CHUNKS,
    NAP,
    ROWS,
    RUN,
    SLEEPY_SQL,
    SOURCE_SQL,
    WAYS,
    asleep,
    assert_every_row_once,
    folders,
    job,
    processor,
    shout,
    stage,
    states,
)


def moved(databases: Databases, function: object = shout, **options: object) -> MapperJob:
    return job(databases.source.url, databases.target.url, function, **options)


def runs(databases: Databases) -> int:
    """Return how many runs the ledger knows."""
    [(there,)] = databases.target.fetch("SELECT to_regclass('mapper_dask_run') IS NOT NULL")
    return databases.target.fetch("SELECT count(*)::int FROM mapper_dask_run")[0][0] if there else 0


@pytest.mark.parametrize(("way", "workers"), [("append", 2), *((way, 1) for way in WAYS)])
def test_one_statement_feeds_all_chunks(databases: Databases, tmp_path: Path, way, workers):
    stage(databases)

    result = processor(tmp_path, max_workers=workers).run(moved(databases, **WAYS[way]))

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.chunks_total == CHUNKS
    assert result.consistent
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_a_plan_says_that_a_query_is_read_once_and_about_how_many_chunks(databases: Databases):
    stage(databases)

    plan = ChunkManager().plan(moved(databases))

    assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
    assert f"read once, by one statement, into local files: about {CHUNKS} chunks" in str(plan)
    assert "random() may give other rows" in str(plan)
    assert "about one chunk" in str(ChunkManager().plan(moved(databases, chunk_size=10**6)))


def test_a_saved_plan_of_it_is_run_and_gone_on_with(databases: Databases, tmp_path: Path):
    stage(databases)
    asked, known = moved(databases, run_id=RUN), processor(tmp_path, max_workers=1)
    file = tmp_path / "plan.json"
    ChunkManager().plan(asked).save(file)

    first = known.run(asked, plan=file).raise_for_status()
    again = known.run(asked, plan=file).raise_for_status()

    assert first.chunks_total == CHUNKS
    assert again.chunk_results == first.chunk_results
    assert_every_row_once(databases)


def test_check_and_status_say_it_and_why(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    stage(databases)
    monkeypatch.setenv("SOURCE", databases.source.url)
    monkeypatch.setenv("TARGET", databases.target.url)
    file = tmp_path / "once.yaml"
    file.write_text(
        "version: 1\n"
        "jobs:\n"
        "  once:\n"
        f"    source: {{connection: env:SOURCE, sql: '{SOURCE_SQL}'}}\n"
        "    target: {connection: env:TARGET, table: d}\n"
        f"    chunking: {{size: {CHUNK_SIZE}}}\n"
    )
    processor(tmp_path, max_workers=1).run(moved(databases, run_id=RUN)).raise_for_status()

    for arguments in (["check", str(file)], ["status", RUN, "--ledger", "env:TARGET"]):
        assert main(arguments) == 0, capsys.readouterr()
        told = " ".join(capsys.readouterr().out.split())
        assert "read once" in told
        assert "random() may give other rows" in told
        assert f"about {CHUNKS} chunks" in told or arguments[0] == "status"


def test_a_frame_of_it_is_one_partition(databases: Databases):
    stage(databases)

    frame = read_sql_query(SOURCE_SQL, databases.source.url, chunk_size=CHUNK_SIZE)

    assert frame.npartitions == 1
    assert frame["reading"].nunique().compute() == 1


FEW = 900


@pytest.mark.parametrize(
    ("expected", "rows", "chunks"),
    [("few", ROWS, CHUNKS), ("many", FEW, 1), ("few", FEW, 1), ("few", 0, 1), ("many", 0, 1)],
)
def test_what_decides_are_the_rows_that_come_and_not_those_that_were_expected(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected, rows, chunks
):
    stage(databases)
    databases.source.execute(
        "CREATE FUNCTION of_s(n int) RETURNS SETOF s LANGUAGE sql VOLATILE "
        f"ROWS {10 if expected == 'few' else 10**6} AS 'SELECT * FROM s WHERE id <= n'"
    )
    written: list[int] = []
    finish = spooling.Spooler.finish
    monkeypatch.setattr(
        spooling.Spooler, "finish", lambda s, at: (written.append(s.rows), finish(s, at))[1]
    )

    result = processor(tmp_path, enable_parallel=False).run(
        replace(
            moved(databases),
            source_sql=f"SELECT id, v, (SELECT random()) AS reading FROM of_s({rows})",
        )
    )

    assert result.raise_for_status().total_rows_successful == rows
    assert result.chunks_total == chunks
    assert written == ([] if rows <= CHUNK_SIZE else [rows])
    if rows:
        assert_every_row_once(databases, rows)


def test_rows_that_fit_a_chunk_are_not_read_again(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage(databases)
    monkeypatch.setattr(reading, "source_session", None)  # a chunk that asks the source breaks

    result = processor(tmp_path, enable_parallel=False).run(moved(databases, chunk_size=ROWS))

    assert result.raise_for_status().total_rows_successful == ROWS
    assert [chunk.bounds for chunk in result.chunk_results] == ["all rows"]
    assert_every_row_once(databases)


HARD = """
SELECT id, CASE mod(id, 4) WHEN 0 THEN 'NaN' WHEN 1 THEN NULL ELSE id * 1.10 END::numeric AS n,
       CASE id WHEN 7 THEN timestamp 'infinity'
       ELSE timestamp '2024-01-01' + id * interval '1 s' END AS at,
       repeat(chr(233), mod(id, 40)) AS t, ARRAY[id, NULL] AS a,
       (SELECT random()) AS reading
FROM s
"""


@pytest.mark.parametrize("rejects", [0, 5])
def test_values_arrive_as_they_left_without_a_function(databases: Databases, tmp_path, rejects):
    stage(databases)
    columns = "(id int, n numeric, at timestamp, t text, a int[], reading float8)"
    databases.target.execute(f"CREATE TABLE hard {columns}")

    result = processor(tmp_path, max_workers=1).run(
        replace(
            moved(databases, None, reject_limit=rejects),
            source_sql=HARD,
            target_table="hard",
        )
    )

    assert result.raise_for_status().total_rows_successful == ROWS
    assert result.chunks_total == CHUNKS
    chosen = "SELECT id, n::text, at::text, t, a::text FROM"
    there = databases.target.fetch(f"{chosen} hard ORDER BY id")
    assert there == databases.source.fetch(f"{chosen} ({HARD}) q ORDER BY id")
    assert databases.target.fetch("SELECT count(DISTINCT reading)::int FROM hard") == [(1,)]


def test_a_dry_run_counts_and_leaves_no_file(databases: Databases, tmp_path: Path):
    stage(databases)
    dry = replace(moved(databases), target_conn=None, target_table=None)

    result = processor(tmp_path, max_workers=1).run(dry)

    assert result.total_rows_processed == ROWS
    assert result.chunks_total == CHUNKS
    assert folders(tmp_path) == []


# -- rows that are refused ---------------------------------------------------------------------


def marked(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(v=frame["v"] + "!")
    frame["_reject"] = None
    return frame


def test_rejects_are_counted_over_all_chunks_and_can_be_tried_again(
    databases: Databases, tmp_path: Path
):
    stage(databases)
    databases.target.execute(
        "ALTER TABLE d ADD CONSTRAINT no CHECK (id % 10000 <> 0)".replace("%", "%%")
    )
    asked = moved(databases, run_id=RUN, reject_limit=3)

    result = processor(tmp_path, max_workers=1).run(asked)

    assert result.raise_for_status().total_rows_rejected == 3
    assert result.total_rows_successful == ROWS - 3
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT no")
    again = processor(tmp_path).retry_rejects(RUN, target_conn=databases.target.url, job=asked)
    assert again.loaded == 3
    assert_every_row_once(databases)


def test_a_chunk_that_fails_leaves_the_others_and_is_done_from_its_file(
    databases: Databases, tmp_path: Path
):
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD CONSTRAINT no CHECK (id <> 4500)")
    asked = moved(databases, run_id=RUN, on_error="continue")

    result = processor(tmp_path, max_workers=1).run(asked)

    assert result.chunks_failed == 1
    assert "rows 4000 to 5000 as read once" in result.errors[0]
    assert len(folders(tmp_path)) == 1
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT no")
    databases.source.execute("DROP TABLE s CASCADE")
    databases.source.execute("CREATE TABLE s (id int, v text)")
    assert processor(tmp_path).run(asked).raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


# -- workers that see the folder, and workers that do not --------------------------------------


@pytest.fixture
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as made,
    ):  # fmt: skip
        yield made


def test_workers_that_do_not_see_the_folder_get_the_rows_with_their_tasks(
    databases: Databases, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
):
    stage(databases)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    seen: list[bool] = []

    def hide(engine: dask_engine.DaskEngine, folder: str, reading: str) -> bool:
        seen.append(sees(engine, folder, reading))
        return False

    sees = dask_engine.DaskEngine.sees
    monkeypatch.setattr(dask_engine.DaskEngine, "sees", hide)
    carried: list[int] = []
    carrying = dispatch.carrying

    def counted(task, chunk):
        made = carrying(task, chunk)
        assert made.read.spool is None
        carried.append(len(made.read.cargo))
        return made

    monkeypatch.setattr(dispatch, "carrying", counted)

    result = processor(hidden, client=client).run(moved(databases))

    assert result.raise_for_status().total_rows_successful == ROWS
    assert seen == [True]
    assert len(carried) == CHUNKS
    assert_every_row_once(databases)
    assert folders(hidden) == []


def test_a_worker_of_another_machine_is_found_out(tmp_path: Path, client: Client):
    engine = dask_engine.DaskEngine(client)

    assert not engine.sees(str(tmp_path / "elsewhere"), "0" * 32)


# -- what ends it before a row moves -----------------------------------------------------------


def test_what_the_source_refuses_is_raised_and_nothing_is_entered(databases, tmp_path: Path):
    stage(databases)
    broken = SOURCE_SQL.replace("s.v", f"(1 / (s.id - {ROWS - 10}))::text AS v")

    with pytest.raises(DatabaseError, match="division by zero"):
        processor(tmp_path, max_workers=1).run(replace(moved(databases), source_sql=broken))

    assert runs(databases) == 0
    assert folders(tmp_path) == []


def test_a_reading_whose_link_breaks_is_begun_anew(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage(databases)
    ended: list[int] = []
    add = spooling.Spooler.add

    def break_once(taking: spooling.Spooler, rows: object) -> None:
        add(taking, rows)
        if not ended:
            ended.append(
                len(
                    databases.source.fetch(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name ~ '^mapper_dask:.*:0$'"
                    )
                )
            )

    monkeypatch.setattr(spooling.Spooler, "add", break_once)
    wide = SOURCE_SQL.replace("s.v", "s.v, repeat(s.v, 200) AS w")
    databases.target.execute("ALTER TABLE d ADD w text")

    result = processor(tmp_path, max_workers=1).run(replace(moved(databases), source_sql=wide))

    assert ended == [1]
    assert result.raise_for_status().total_rows_successful == ROWS
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_a_full_disk_is_told_before_a_row_is_loaded(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage(databases)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spooling._Summed, "write", full)

    with pytest.raises(ConfigurationError, match="spool-folder") as refused:
        processor(tmp_path, max_workers=1).run(moved(databases))

    assert str(tmp_path) in str(refused.value)
    assert runs(databases) == 0
    assert folders(tmp_path) == []


@pytest.mark.parametrize("target", [True, False])
def test_it_is_cancelled_while_its_statement_waits(databases: Databases, tmp_path: Path, target):
    stage(databases)
    databases.source.execute(NAP)
    slow = replace(moved(databases), source_sql=SLEEPY_SQL)
    if not target:
        slow = replace(slow, target_conn=None, target_table=None)

    handle = processor(tmp_path, max_workers=1).start(slow)
    asleep(databases)
    handle.cancel()

    with pytest.raises(RunStoppedError, match="no row of it is loaded"):
        handle.result()
    assert not target or states(databases) == [("CANCELLED", 1, 0)]
    assert target or runs(databases) == 0
    assert folders(tmp_path) == []


def test_how_far_the_reading_has_come_is_shown(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    stage(databases)
    monkeypatch.setattr(spooling, "REPORTED_EACH", 0.0)

    processor(tmp_path, enable_parallel=False, progress=True).run(moved(databases))

    shown = capsys.readouterr().err.splitlines()
    assert f"d: reading once: {ROWS:,} rows, 0 MB" in shown
    assert shown[-1].startswith(f"{CHUNKS}/{CHUNKS} chunks")


def test_the_source_is_held_no_longer_than_the_statement(databases: Databases, tmp_path: Path):
    stage(databases)
    held: list[int] = []

    def look(_: object) -> None:
        held.append(
            len(
                databases.source.fetch(
                    "SELECT 1 FROM pg_stat_activity WHERE application_name ~ '^mapper_dask:' "
                    "AND datname = current_database() AND state <> 'idle'"
                )
            )
        )

    processor(tmp_path, enable_parallel=False, progress=look).run(moved(databases))

    assert set(held) == {0}


# -- afterwards --------------------------------------------------------------------------------


def test_it_is_counted_once_more_without_a_claim_about_the_source(databases, tmp_path: Path):
    stage(databases)
    identity = moved(databases, None, run_id=RUN)
    known = processor(tmp_path, max_workers=1)
    known.run(identity).raise_for_status()
    databases.source.execute("DELETE FROM s WHERE id <= 10")

    found = known.reconcile(RUN, target_conn=databases.target.url, job=identity)

    assert found.matches
    assert found.read_once
    assert not found.same_snapshot
    assert "as the one reading gave them; the query is not asked again" in str(found)
    for option in ("checksum", "repair"):
        with pytest.raises(ConfigurationError, match="read once"):
            known.reconcile(RUN, target_conn=databases.target.url, job=identity, **{option: True})
    databases.target.execute("DELETE FROM d WHERE id = 77")
    assert not known.reconcile(RUN, target_conn=databases.target.url, job=identity).matches


def failed(databases: Databases, folder: Path) -> ParallelProcessor:
    stage(databases)
    databases.target.execute("ALTER TABLE d ADD CHECK (id < 0)")
    known = processor(folder, max_workers=1)
    assert not known.run(moved(databases, run_id=RUN)).succeeded
    assert len(folders(folder)) == 1
    return known


def test_a_run_that_is_discarded_takes_its_files_along(databases: Databases, tmp_path: Path):
    failed(databases, tmp_path).discard(RUN, target_conn=databases.target.url)

    assert folders(tmp_path) == []


def test_clean_removes_the_files_of_what_it_removes(databases: Databases, tmp_path: Path):
    failed(databases, tmp_path)
    [left] = folders(tmp_path)
    target, folder = reference(databases.target.url), str(tmp_path)

    young = housekeeping.clean(target, older_than=0, spool_folder=folder)
    dry = housekeeping.clean(
        target, older_than=0, unfinished=True, dry_run=True, spool_folder=folder
    )
    assert (young.folders, dry.folders) == ((), (str(left),))
    assert left.is_dir()

    housekeeping.clean(target, older_than=0, unfinished=True, spool_folder=folder)
    assert folders(tmp_path) == []


def test_two_coordinators_of_a_new_run_leave_one_reading(databases: Databases, tmp_path: Path):
    stage(databases)
    asked = moved(databases, run_id=RUN)

    with ThreadPoolExecutor(2) as both:
        done = list(
            both.map(lambda _: processor(tmp_path, enable_parallel=False).run(asked), range(2))
        )

    assert all(result.succeeded for result in done), [result.errors for result in done]
    assert_every_row_once(databases)
    assert folders(tmp_path) == []


def test_a_straggler_of_another_reading_commits_nothing(databases: Databases, tmp_path: Path):
    """Its chunk is the ledger's by its number, and not by its reading."""
    known = failed(databases, tmp_path)
    stored = RunLedger(reference(databases.target.url), RUN)
    databases.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")
    databases.target.execute(
        "UPDATE mapper_dask_chunk SET bounds = jsonb_set(bounds, '{spooled,reading}', "
        f"'\"{'0' * 32}\"') WHERE chunk_id = 3"
    )
    before = [chunk for chunk, _ in stored.chunks()]
    assert before[3].spooled is not None
    [left] = folders(tmp_path)
    honest = replace(before[3], spooled=replace(before[3].spooled, reading=left.name[-32:]))

    asked = resolved(moved(databases, run_id=RUN))
    with keep_snapshot(asked.source, consistent=False) as keeper:
        plan = ChunkManager().plan_on(keeper.source, asked.job)
        prepared = prepare(asked, plan, keeper, known.retry_policy)
    databases.target.execute("UPDATE mapper_dask_run SET state = 'RUNNING'")
    work = replace(prepared.task, read=replace(prepared.task.read, spool=str(left)))

    stale = process_chunk(work, honest)

    assert stale.state.value == "UNASSIGNED"
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(0,)]
    assert process_chunk(work, before[4]).succeeded
    assert databases.target.fetch("SELECT count(*)::int FROM d") == [(CHUNK_SIZE,)]
