"""Rows that only the target refuses are set aside when staged rows are published, and no others."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from tests.builders import job_of
from tests.database import Database, Databases

ROWS, CHUNK, BAD = 600, 150, 60
"""Every tenth row is bad; rows with an id of 3 modulo 4 stand in the target before."""

WAYS: dict[str, dict[str, Any]] = {
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "referred": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "age"},
}

BAD_IDS = set(range(10, ROWS + 1, 10))
GOOD_IDS = set(range(1, ROWS + 1)) - BAD_IDS
OLD_IDS = {i for i in range(1, ROWS + 1) if i % 4 == 2} | {9_001, 9_002}
"""Among them some of the bad ones."""


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute(
        "CREATE TABLE s (id int, v int, age int, name text); "
        f"INSERT INTO s SELECT g, mod(g, 10), 7, 'new' FROM generate_series(1, {ROWS}) g; "
        "CREATE INDEX ON s (id); ANALYZE s"
    )
    databases.target.execute("CREATE TABLE d (id int PRIMARY KEY, v int, age int, name text)")
    return databases


def fill(shop: Databases, way: str) -> None:
    """Put in what stands there before; for a merge by the newest, read older rows too."""
    ids = OLD_IDS if way != "atomic" else {9_001, 9_002}
    places = ", ".join(f"({i}, 1, 0, 'old')" for i in sorted(ids))
    shop.target.execute(f"INSERT INTO d VALUES {places}")
    if way == "referred":
        shop.target.execute("CREATE TABLE r (id int REFERENCES d); INSERT INTO r VALUES (2)")
    if way == "newest":
        shop.source.execute("INSERT INTO s SELECT id, 1, age - 1, 'older' FROM s")


def move(shop: Databases, way: str, **options: Any) -> ParallelProcessingResult:
    usual = {"key_column": "id", "chunk_size": CHUNK, "reject_limit": BAD}
    job = job_of(shop, **{**usual, **WAYS[way], **options})
    return ParallelProcessor(enable_parallel=False, retries=2).run(job)


def expected(way: str) -> dict[int, str]:
    """Return what stands in the target afterwards: a refused update leaves the old row."""
    held = dict.fromkeys(OLD_IDS if way != "atomic" else {9_001, 9_002}, "old")
    if way in ("replace", "referred"):
        held = {}
    return held | dict.fromkeys(GOOD_IDS, "new")


def assert_set_aside(shop: Databases, result: ParallelProcessingResult, way: str) -> set[str]:
    """Hold target, rejects, ledger and evidence against each other; return the reasons."""
    result.raise_for_status()
    target, run_id = shop.target, str(result.run_id)
    assert dict(target.fetch("SELECT id, name FROM d")) == expected(way)
    frame = ParallelProcessor().rejects(run_id, target_conn=target.url)
    assert Counter(row["id"] for row in frame.row) == Counter(BAD_IDS)
    assert set(frame.stage) == {"load"}
    assert [key["id"] for key in frame.key] == [row["id"] for row in frame.row]
    read = result.total_rows_processed
    assert (result.total_rows_rejected, result.total_rows_successful) == (BAD, read - BAD)
    assert_accounted(target, run_id, read)
    staged = "SELECT relname FROM pg_class WHERE relname LIKE 'mapper_dask_stage%%'"
    assert target.fetch(staged) == []
    return set(frame.reason)


def assert_accounted(target: Database, run_id: str, read: int) -> None:
    """Each chunk has the rejects of its own range; what was published bears one number."""
    chunks = target.fetch(
        "SELECT c.chunk_id, bounds::text, rows_out, rows_loaded, rows_rejected, "
        "(SELECT count(*) FROM mapper_dask_reject r "
        "WHERE (r.run_id, r.chunk_id) = (c.run_id, c.chunk_id)) "
        "FROM mapper_dask_chunk c WHERE run_id = %s ORDER BY 1", run_id,
    )  # fmt: skip
    assert sum(loaded + rejected for _, _, _, loaded, rejected, _ in chunks) == read
    assert all(
        out == loaded + rejected and rejected == stored
        for _, _, out, loaded, rejected, stored in chunks
    )
    ids = target.fetch(
        "SELECT chunk_id, min((\"row\"->>'id')::int), max((\"row\"->>'id')::int) "
        "FROM mapper_dask_reject WHERE run_id = %s GROUP BY 1 ORDER BY 1", run_id,
    )  # fmt: skip
    assert len(ids) > 1
    assert all(a[2] < b[1] for a, b in itertools.pairwise(ids)), "each its own chunk's"
    [(text,)] = target.fetch(
        "SELECT published::text FROM mapper_dask_run WHERE run_id = %s", run_id
    )
    published = json.loads(text)
    assert published["rows"] == len(GOOD_IDS)
    marks = "SELECT DISTINCT xmin::text::bigint FROM d WHERE name = 'new'"
    assert [n for (n,) in target.fetch(marks)] == [n & 0xFFFFFFFF for n in published["loads"]]


def trigger(body: str, when: str) -> str:
    kind = "CONSTRAINT TRIGGER" if "DEFERRABLE" in when else "TRIGGER"
    return (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        f"$f$ BEGIN IF NEW.v = 0 THEN {body}; END IF; RETURN NEW; END $f$; "
        f"CREATE {kind} x {when} FOR EACH ROW EXECUTE FUNCTION f()"
    )


OWN = "RAISE EXCEPTION 'bad' USING ERRCODE = 'MYE01'"
KNOWN = "CREATE TABLE k (v int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 9); "
REFUSED_BY = {
    "a foreign key": (KNOWN + "ALTER TABLE d ADD FOREIGN KEY (v) REFERENCES k", "23503"),
    "a deferred foreign key": (
        KNOWN + "ALTER TABLE d ADD FOREIGN KEY (v) REFERENCES k DEFERRABLE INITIALLY DEFERRED",
        "23503",
    ),
    "a BEFORE trigger": (trigger(OWN, "BEFORE INSERT OR UPDATE ON d"), "MYE01"),
    "an AFTER trigger": (trigger(OWN, "AFTER INSERT OR UPDATE ON d"), "MYE01"),
    "ASSERT at commit": (
        trigger("ASSERT false, 'no'", "AFTER INSERT OR UPDATE ON d DEFERRABLE INITIALLY DEFERRED"),
        "P0004",
    ),
    "an exclusion": (
        ("ALTER TABLE d ADD EXCLUDE USING btree (v WITH =) WHERE (v = 0); ALTER TABLE d DROP "
        "CONSTRAINT d_v_excl, ADD EXCLUDE USING btree ((v * 0) WITH =) WHERE (v = 0 AND id > 0)"),
        "23P01",
    ),
    "an index's expression": (
        ("CREATE FUNCTION inv(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
        "'BEGIN RETURN 100 / $1; END'; CREATE INDEX ON d (inv(v))"), "22012",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", [what for what in REFUSED_BY if what != "an exclusion"])
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_only_the_target_refuses_are_set_aside(
    shop: Databases, way: str, what: str
) -> None:
    made, sqlstate = REFUSED_BY[what]
    fill(shop, way)
    shop.target.execute(made)
    result = move(shop, way)
    [reason] = assert_set_aside(shop, result, way)
    assert reason.endswith(f"[{sqlstate}]")
    again = move(shop, way, run_id=result.run_id).raise_for_status()
    assert again.total_rows_rejected == BAD
    assert dict(shop.target.fetch("SELECT id, name FROM d")) == expected(way)


@pytest.mark.parametrize("way", ["atomic", "replace", "merge"])
def test_a_missing_partition(shop: Databases, way: str) -> None:
    shop.target.execute(
        "DROP TABLE d; CREATE TABLE d (id int, v int, age int, name text, "
        "PRIMARY KEY (id)) PARTITION BY RANGE (id); "
        "CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (301); "
        "CREATE TABLE d2 PARTITION OF d FOR VALUES FROM (351) TO (10000)"
    )
    result = move(shop, way).raise_for_status()
    frame = ParallelProcessor().rejects(str(result.run_id), target_conn=shop.target.url)
    assert sorted(row["id"] for row in frame.row) == list(range(301, 351))
    assert all("no partition of relation" in reason for reason in frame.reason)
    assert set(frame.chunk_id) == {2}
    assert shop.target.fetch("SELECT count(*) FROM d") == [(ROWS - 50,)]


@pytest.mark.parametrize("way", WAYS)
def test_of_rows_that_exclude_one_another_one_stays(shop: Databases, way: str) -> None:
    fill(shop, way)
    shop.target.execute("ALTER TABLE d ADD EXCLUDE USING btree (v WITH =) WHERE (v = 0)")
    result = move(shop, way).raise_for_status()
    assert result.total_rows_rejected == BAD - 1
    assert shop.target.fetch("SELECT count(*) FROM d WHERE v = 0") == [(1,)]


@pytest.mark.parametrize("way", ["atomic", "replace", "merge", "newest"])
def test_rows_that_refer_to_others_behind_them(shop: Databases, way: str) -> None:
    """Each but the bad ones and the last refers to the next, which comes later."""
    if way == "newest":
        shop.source.execute("INSERT INTO s SELECT id, v, age - 1, name FROM s WHERE id > 500")
    shop.target.execute("ALTER TABLE d ADD parent int REFERENCES d (id)")
    sql = (
        f"SELECT *, CASE WHEN v = 0 THEN -1 WHEN v < 9 AND id < {ROWS} THEN id + 1 END AS parent "
        "FROM s"
    )
    result = move(shop, way, source_sql=sql).raise_for_status()
    frame = ParallelProcessor().rejects(str(result.run_id), target_conn=shop.target.url)
    assert Counter(row["id"] for row in frame.row) == Counter(BAD_IDS)
    assert {i for (i,) in shop.target.fetch("SELECT id FROM d")} == GOOD_IDS


def test_the_newest_row_that_is_refused_lets_no_older_one_in(shop: Databases) -> None:
    fill(shop, "newest")
    shop.target.execute(REFUSED_BY["a BEFORE trigger"][0])
    result = move(shop, "newest").raise_for_status()
    assert shop.target.fetch("SELECT count(*) FROM d WHERE name = 'older'") == [(0,)]
    assert shop.target.fetch("SELECT name FROM d WHERE id IN (10, 20)") == [("old",)]
    [note] = [n for n in result.warnings if n.startswith("merged")]
    assert note == f"merged {len(GOOD_IDS):,} rows; {ROWS:,} had a newer row of their key"


# -- the limit, and without -----------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_without_a_limit_the_whole_run_fails_as_ever(shop: Databases, way: str) -> None:
    fill(shop, way)
    before = shop.target.fetch("SELECT * FROM d ORDER BY id")
    shop.target.execute(REFUSED_BY["a BEFORE trigger"][0])
    result = move(shop, way, reject_limit=0)
    assert "the target did not take them" in result.errors[0]
    assert "MYE01" in result.errors[0]
    assert shop.target.fetch("SELECT * FROM d ORDER BY id") == before


@pytest.mark.parametrize("way", WAYS)
def test_one_more_than_the_limit_changes_nothing_and_a_greater_one_goes_on(
    shop: Databases, way: str
) -> None:
    fill(shop, way)
    before = shop.target.fetch("SELECT * FROM d ORDER BY id")
    shop.target.execute(REFUSED_BY["a foreign key"][0])
    result = move(shop, way, reject_limit=BAD - 1)
    assert f"the {BAD - 1} that reject_limit={BAD - 1} leaves" in result.errors[0]
    assert "23503" in result.errors[0]
    assert shop.target.fetch("SELECT * FROM d ORDER BY id") == before
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_reject") == [(0,)]
    run_id = str(result.run_id)
    more = ParallelProcessor(enable_parallel=False).resume(
        run_id, target_conn=shop.target.url, source_conn=shop.source.url, reject_limit=BAD
    )
    assert more.total_rows_rejected == BAD
    final = move(shop, way, run_id=run_id)
    assert_set_aside(shop, final, way)


def test_rows_that_were_set_aside_before_count_against_the_limit(shop: Databases) -> None:
    """A CHECK refuses some of them when they are staged, the foreign key others at the end."""
    shop.target.execute(REFUSED_BY["a foreign key"][0] + "; ALTER TABLE d ADD CHECK (id <> 5)")
    assert "leaves" in move(shop, "replace").errors[0]
    result = move(shop, "replace", reject_limit=BAD + 1).raise_for_status()
    assert result.total_rows_rejected == BAD + 1


def test_rows_that_were_staged_under_no_limit_are_told_by_who_wrote_them(shop: Databases) -> None:
    shop.target.execute(REFUSED_BY["a foreign key"][0])
    result = move(shop, "replace", reject_limit=0)
    assert not result.succeeded
    more = ParallelProcessor(enable_parallel=False).resume(
        str(result.run_id), target_conn=shop.target.url, source_conn=shop.source.url,
        reject_limit=BAD,
    )  # fmt: skip
    assert_set_aside(shop, move(shop, "replace", run_id=more.run_id), "replace")


# -- what is no row's fault -----------------------------------------------------------------------


def test_tables_that_refer_to_vanished_rows_fail_a_replacement_as_ever(shop: Databases) -> None:
    fill(shop, "referred")
    shop.target.execute("INSERT INTO r VALUES (9001)")
    result = move(shop, "referred")
    assert "r_id_fkey" in result.errors[0]
    assert result.total_rows_rejected == 0


def test_a_refused_row_that_others_refer_to_fails_a_replacement(shop: Databases) -> None:
    fill(shop, "referred")
    shop.target.execute("INSERT INTO r VALUES (10)")
    shop.target.execute(REFUSED_BY["a BEFORE trigger"][0])
    result = move(shop, "referred")
    assert "r_id_fkey" in result.errors[0]
    assert dict(shop.target.fetch("SELECT id, name FROM d")) == dict.fromkeys(OLD_IDS, "old")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_a_trigger_for_each_statement_is_no_rows_fault(
    shop: Databases, way: str, when: str
) -> None:
    fill(shop, way)
    before = shop.target.fetch("SELECT * FROM d ORDER BY id")
    shop.target.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'nobody' USING ERRCODE = 'MYE01'; END $$; "
        f"CREATE TRIGGER x {when} INSERT ON d FOR EACH STATEMENT EXECUTE FUNCTION f()"
    )
    result = move(shop, way, reject_limit=10_000)
    assert "nobody" in result.errors[0]
    assert shop.target.fetch("SELECT * FROM d ORDER BY id") == before
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_reject") == [(0,)]


@pytest.mark.parametrize("way", ["atomic", "replace", "merge"])
def test_what_passes_is_tried_again(shop: Databases, way: str) -> None:
    """A trigger meets a conflict twice, and refuses rows beside it."""
    fill(shop, way)
    shop.target.execute("CREATE SEQUENCE tries")
    body = f"IF nextval('tries') < 3 THEN RAISE serialization_failure; END IF; {OWN}"
    shop.target.execute(trigger(body, "BEFORE INSERT OR UPDATE ON d"))
    assert_set_aside(shop, move(shop, way), way)


@pytest.mark.parametrize("way", WAYS)
def test_a_trigger_that_takes_rows_away_is_found_still(shop: Databases, way: str) -> None:
    """Some rows are refused, and one that was accepted is deleted when all is deferred."""
    fill(shop, way)
    before = shop.target.fetch("SELECT * FROM d ORDER BY id")
    shop.target.execute(REFUSED_BY["a foreign key"][0])
    shop.target.execute(
        "CREATE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 77 THEN DELETE FROM d WHERE id = 77; END IF; RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER thief AFTER INSERT ON d DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION thief()"
    )
    result = move(shop, way)
    assert "thief" in result.errors[0]
    assert shop.target.fetch("SELECT * FROM d ORDER BY id") == before
    assert shop.target.fetch("SELECT count(*) FROM mapper_dask_reject") == [(0,)]


# -- names, values, retry -------------------------------------------------------------------------


def test_a_target_with_columns_of_our_names(shop: Databases) -> None:
    shop.target.execute(
        "ALTER TABLE d ADD mapper_dask_chunk int, ADD s int, ADD place text, ADD kept text; "
        + REFUSED_BY["a foreign key"][0]
    )
    sql = "SELECT *, 5 AS mapper_dask_chunk, 6 AS s, 'p' AS place, 'k' AS kept FROM s"
    result = move(shop, "merge", source_sql=sql).raise_for_status()
    frame = ParallelProcessor().rejects(str(result.run_id), target_conn=shop.target.url)
    assert {row["mapper_dask_chunk"] for row in frame.row} == {5}
    assert set(frame.chunk_id) == {0, 1, 2, 3}
    assert shop.target.fetch("SELECT DISTINCT mapper_dask_chunk, s, place FROM d") == [(5, 6, "p")]


def test_values_are_kept_exactly_and_come_back(shop: Databases) -> None:
    shop.target.execute(
        "DROP TABLE d; CREATE TABLE d (id int PRIMARY KEY, v int, n numeric, f float8, b bytea, "
        "t timestamptz, j jsonb, a int[], day date); " + REFUSED_BY["a foreign key"][0]
    )
    sql = (
        "SELECT id, v, 1e30::numeric + id AS n, "
        "CASE WHEN id = 10 THEN 'NaN' ELSE 0.1 END::float8 AS f, "
        "'\\x00ff'::bytea AS b, '2024-05-06 07:08:09.123456+02'::timestamptz AS t, "
        "'{\"a\": [1.50, null]}'::jsonb AS j, ARRAY[1, NULL, 3] AS a, "
        "'2024-02-29'::date AS day FROM s"
    )
    result = move(shop, "replace", source_sql=sql).raise_for_status()
    assert result.total_rows_rejected == BAD
    shop.target.execute("INSERT INTO k VALUES (0)")
    again = ParallelProcessor(enable_parallel=False).retry_rejects(
        str(result.run_id), target_conn=shop.target.url, source_conn=shop.source.url
    )
    assert (again.loaded, again.rejected) == (BAD, 0)
    text = "SELECT d::text FROM d ORDER BY id"
    wanted = [row for (row,) in shop.source.fetch(f"SELECT q::text FROM ({sql}) q ORDER BY id")]
    assert [row for (row,) in shop.target.fetch(text)] == wanted


@pytest.mark.parametrize("way", WAYS)
def test_they_are_tried_again_each_once(shop: Databases, way: str) -> None:
    """At first one of them is taken, then the others, then none is left."""
    fill(shop, way)
    shop.target.execute(
        "CREATE TABLE k (id int PRIMARY KEY); "
        f"INSERT INTO k SELECT g FROM generate_series(1, {ROWS}) g WHERE mod(g, 10) <> 0; "
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM FROM k WHERE k.id = NEW.id; "
        "IF NOT FOUND THEN RAISE no_data_found; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER x BEFORE INSERT OR UPDATE ON d FOR EACH ROW EXECUTE FUNCTION f()"
    )
    result = move(shop, way)
    assert_set_aside(shop, result, way)

    def retry() -> tuple[int, int]:
        found = ParallelProcessor(enable_parallel=False).retry_rejects(
            str(result.run_id), target_conn=shop.target.url, source_conn=shop.source.url
        )
        return found.loaded, found.rejected

    assert retry() == (0, BAD)
    shop.target.execute("INSERT INTO k VALUES (30)")
    assert retry() == (1, BAD - 1)
    shop.target.execute("INSERT INTO k SELECT generate_series(1, 600) ON CONFLICT DO NOTHING")
    assert retry() == (BAD - 1, 0)
    assert retry() == (0, 0)
    names = dict(shop.target.fetch("SELECT id, name FROM d"))
    assert names == expected(way) | dict.fromkeys(BAD_IDS, "new")
    loaded = shop.target.fetch("SELECT sum(rows_loaded), sum(rows_rejected) FROM mapper_dask_chunk")
    assert loaded == [(result.total_rows_processed, 0)]
