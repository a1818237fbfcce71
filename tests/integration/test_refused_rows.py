"""What refuses a row, and what does not: decided by what happened, whatever the SQLSTATE."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessingResult, ParallelProcessor
from tests.builders import job_of
from tests.database import Databases

ROWS, BAD = 400, 40
"""Every tenth row is bad."""


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute(
        "CREATE TABLE s (id int PRIMARY KEY, v int, name text); "
        f"INSERT INTO s SELECT g, mod(g, 10), 'n' || g FROM generate_series(1, {ROWS}) g"
    )
    databases.target.execute("CREATE TABLE d (id int, v int, name text)")
    return databases


def same(frame: Any) -> Any:
    return frame


def move(databases: Databases, **options: Any) -> ParallelProcessingResult:
    job = job_of(databases, **{"chunk_size": 100, "reject_limit": BAD, **options})
    return ParallelProcessor(enable_parallel=False, retries=2).run(job)


def assert_bad_are_set_aside(databases: Databases, result: ParallelProcessingResult) -> set[str]:
    """Return the reasons."""
    result.raise_for_status()
    frame = ParallelProcessor().rejects(str(result.run_id), target_conn=databases.target.url)
    assert Counter(row["id"] for row in frame.row) == Counter(range(10, ROWS + 1, 10))
    assert [result.total_rows_rejected, result.total_rows_successful] == [BAD, ROWS - BAD]
    held = [i for (i,) in databases.target.fetch("SELECT id FROM d ORDER BY id")]
    assert held == [i for i in range(1, ROWS + 1) if i % 10]
    unbalanced = "SELECT * FROM mapper_dask_chunk WHERE rows_out <> rows_loaded + rows_rejected"
    assert databases.target.fetch(unbalanced) == []
    return set(frame.reason)


def trigger(databases: Databases, body: str, when: str = "BEFORE INSERT") -> None:
    """Let something happen at each bad row."""
    constraint = "CONSTRAINT " if "DEFERRABLE" in when else ""
    head, _, options = when.partition(" DEFERRABLE")
    late = f" DEFERRABLE{options}" if options else ""
    databases.target.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        f"$f$ BEGIN IF NEW.v = 0 THEN {body}; END IF; RETURN NEW; END $f$; "
        f"CREATE {constraint}TRIGGER x {head} ON d{late} FOR EACH ROW "
        "EXECUTE FUNCTION f()".replace("%", "%%")
    )


RAISED = {
    "its own SQLSTATE": ("RAISE EXCEPTION 'bad' USING ERRCODE = 'MYE01'", "bad [MYE01]"),
    "one of digits": ("RAISE EXCEPTION 'bad' USING ERRCODE = '99999'", "bad [99999]"),
    "one that sounds like a lost link": (
        "RAISE EXCEPTION 'bad' USING ERRCODE = '08ZZZ'", "bad [08ZZZ]"),
    "one that sounds like a deadlock": (
        "RAISE EXCEPTION 'bad' USING ERRCODE = '40BAD'", "bad [40BAD]"),
    "ASSERT": ("ASSERT false, 'bad'", "bad [P0004]"),
    "NO_DATA_FOUND": ("RAISE no_data_found", "no_data_found [P0002]"),
    "STRICT finds none": (
        "SELECT 1 INTO STRICT NEW.v WHERE false", "query returned no rows [P0002]"),
    "a plain RAISE": ("RAISE 'bad'", "bad [P0001]"),
    "a right": ("RAISE insufficient_privilege USING MESSAGE = 'not yours'", "not yours [42501]"),
    "an unfit state": (
        "RAISE object_not_in_prerequisite_state USING MESSAGE = 'closed'", "closed [55000]"),
    "a feature": ("RAISE feature_not_supported USING MESSAGE = 'no'", "no [0A000]"),
    "a division": ("PERFORM 1 / NEW.v", "division by zero [22012]"),
    "a case": ("CASE NEW.v WHEN 1 THEN NULL; END CASE", "case not found [20000]"),
    "a missing table in dynamic SQL": (
        "EXECUTE 'SELECT FROM nowhere'", 'relation "nowhere" does not exist [42P01]'),
    "a routine outside": (
        "RAISE external_routine_exception USING MESSAGE = 'ext'", "ext [38000]"),
    "an internal error": ("RAISE internal_error USING MESSAGE = 'in C'", "in C [XX000]"),
    "a limit": ("RAISE program_limit_exceeded USING MESSAGE = 'too wide'", "too wide [54000]"),
}  # fmt: skip


@pytest.mark.parametrize("what", RAISED)
def test_whatever_a_trigger_raises_at_a_row_refuses_it(shop: Databases, what: str) -> None:
    body, reason = RAISED[what]
    trigger(shop, body)
    result = move(shop, transformation_logic=same if what == "ASSERT" else None)
    assert assert_bad_are_set_aside(shop, result) == {reason}


@pytest.mark.parametrize(
    "when",
    [
        "AFTER INSERT",
        "AFTER INSERT DEFERRABLE INITIALLY IMMEDIATE",
        "AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
    ],
)
def test_a_trigger_that_fires_later_names_no_line_and_refuses_the_row_still(
    shop: Databases, when: str
) -> None:
    trigger(shop, "RAISE EXCEPTION 'late' USING ERRCODE = 'LATE1'", when)
    assert assert_bad_are_set_aside(shop, move(shop)) == {"late [LATE1]"}


MADE = {
    "a domain": (
        "CREATE DOMAIN odd AS int CHECK (VALUE > 0); ALTER TABLE d ALTER v TYPE odd", "23514"),
    "a domain's NOT NULL": (
        ("CREATE DOMAIN must AS int NOT NULL; "
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF NEW.v = 0 THEN NEW.m := NULL; ELSE NEW.m := 1; END IF; RETURN NEW; END'; "
        "ALTER TABLE d ADD m must DEFAULT 1; CREATE TRIGGER t BEFORE INSERT ON d FOR EACH ROW "
        "EXECUTE FUNCTION t()"), "23502"),
    "an exclusion": (
        ("ALTER TABLE d ADD EXCLUDE USING btree (v WITH =) WHERE (v = 0); "
        "INSERT INTO d VALUES (0, 0, 'first')"), "23P01"),
    "a missing partition": (
        ("DROP TABLE d; CREATE TABLE d (id int, v int, name text) PARTITION BY LIST (v); "
        "CREATE TABLE d1 PARTITION OF d FOR VALUES IN (1, 2, 3, 4, 5, 6, 7, 8, 9)"), "23514"),
    "a generated column": ("ALTER TABLE d ADD w int GENERATED ALWAYS AS (1 / v) STORED", "22012"),
    "NOT NULL": ("ALTER TABLE d ALTER name SET NOT NULL", "23502"),
    "a foreign key": (
        ("CREATE TABLE k (v int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 9); "
        "ALTER TABLE d ADD FOREIGN KEY (v) REFERENCES k"), "23503"),
    "a deferred foreign key": (
        ("CREATE TABLE k (v int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 9); "
        "ALTER TABLE d ADD FOREIGN KEY (v) REFERENCES k DEFERRABLE INITIALLY DEFERRED"), "23503"),
    "an index's expression": ("CREATE INDEX ON d ((100 / v))", "22012"),
    "an index's size": (
        ("CREATE FUNCTION long(int) RETURNS text LANGUAGE sql IMMUTABLE AS "
        "$$ SELECT CASE $1 WHEN 0 THEN (SELECT string_agg(md5(g::text), '') FROM "
        "generate_series(1, 5000) g) END $$; CREATE INDEX ON d (long(v))"), "54000"),
}  # fmt: skip


@pytest.mark.parametrize("what", MADE)
def test_whatever_stands_on_the_target_refuses_rows(shop: Databases, what: str) -> None:
    made, sqlstate = MADE[what]
    shop.target.execute(made)
    sql = "SELECT id, v, CASE v WHEN 0 THEN NULL ELSE name END AS name FROM s"
    result = move(shop, source_sql=sql, key_column="id")
    shop.target.execute("DELETE FROM d WHERE id = 0")
    [reason] = assert_bad_are_set_aside(shop, result)
    assert reason.endswith(f"[{sqlstate}]")


def test_rows_that_refer_to_others_behind_them_are_taken(shop: Databases) -> None:
    """A bad one among them lets them be sent in pieces, in which those are not yet there."""
    shop.target.execute("ALTER TABLE d ADD PRIMARY KEY (id), ADD parent int REFERENCES d (id)")
    sql = f"SELECT *, CASE WHEN v = 0 THEN -1 WHEN id < {ROWS} - 9 THEN id + 9 END AS parent FROM s"
    parent = f"CASE v WHEN 0 THEN -1 WHEN 1 THEN least(id + 8, {ROWS} - 1) END"
    good = f"SELECT *, {parent} AS parent FROM s"
    result = move(shop, source_sql=good, chunk_size=ROWS, key_column="id")
    assert assert_bad_are_set_aside(shop, result)
    shop.target.execute("DELETE FROM d")
    whole = move(shop, source_sql=sql, chunk_size=ROWS, key_column="id", reject_limit=ROWS)
    refused = set(range(10, ROWS + 1, 10))
    for i in range(ROWS - 10, 0, -1):  # whoever refers to a refused one is refused
        refused |= {i} if i + 9 in refused else set()
    assert whole.total_rows_rejected == len(refused)
    held = {i for (i,) in shop.target.fetch("SELECT id FROM d")}
    assert held == set(range(1, ROWS + 1)) - refused


# -- what is no row's fault ------------------------------------------------------------------------

TRANSIENT = {
    "40001": "serialization_failure", "40P01": "deadlock_detected", "55P03": "lock_not_available",
    "53200": "out_of_memory", "08006": "connection_failure",
}  # fmt: skip


@pytest.mark.parametrize("sqlstate", TRANSIENT)
def test_what_passes_is_tried_again_where_a_trigger_raises_it(
    shop: Databases, sqlstate: str
) -> None:
    """It passes at the second attempt: a sequence counts, which nothing takes back."""
    shop.target.execute("CREATE SEQUENCE tries")
    trigger(
        shop,
        f"IF NEW.id = 50 AND nextval('tries') = 1 THEN RAISE {TRANSIENT[sqlstate]}; END IF",
    )
    result = move(shop).raise_for_status()
    assert (result.total_rows_successful, result.total_rows_rejected) == (ROWS, 0)
    assert shop.target.fetch("SELECT last_value FROM tries") == [(2,)]
    assert shop.target.fetch("SELECT count(*), count(DISTINCT id) FROM d") == [(ROWS, ROWS)]


NOT_OF_ROWS = {
    "a full disk": "RAISE disk_full",
    "a cancelled query": "RAISE query_canceled",
    "a read-only session": "RAISE read_only_sql_transaction",
    "a broken file": "RAISE io_error",
    "a broken index": "RAISE index_corrupted",
}


@pytest.mark.parametrize("what", NOT_OF_ROWS)
def test_a_state_of_the_server_sets_nothing_aside(shop: Databases, what: str) -> None:
    trigger(shop, NOT_OF_ROWS[what])
    result = move(shop)
    assert not result.succeeded
    assert result.total_rows_rejected == 0
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]


def test_a_statement_timeout_sets_nothing_aside(shop: Databases) -> None:
    trigger(shop, "PERFORM pg_sleep(60)")
    url = sa.make_url(shop.target.url).update_query_dict({"options": "-cstatement_timeout=500"})
    result = move(shop, target_conn=url.render_as_string(hide_password=False))
    assert not result.succeeded
    assert "57014" in result.errors[0]
    assert result.total_rows_rejected == 0


@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_what_would_refuse_any_row_is_no_rows_fault(shop: Databases, when: str) -> None:
    """Fewer rows than the limit: each would be set aside, and a run over nothing succeed."""
    shop.target.execute(
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF EXISTS (SELECT FROM mapper_dask_chunk WHERE state = 'ASSIGNED') "
        "THEN RAISE EXCEPTION 'nobody' USING ERRCODE = 'MYE01'; END IF; RETURN NULL; END $$"
    )
    move(shop, source_sql="SELECT * FROM s WHERE false", key_column="id")  # makes the ledger
    shop.target.execute(
        f"CREATE TRIGGER y {when} INSERT ON d FOR EACH STATEMENT EXECUTE FUNCTION g()"
    )
    result = move(shop, reject_limit=10_000)
    assert not result.succeeded
    assert "nobody" in result.errors[0]
    assert result.total_rows_rejected == 0


def test_a_trigger_whose_code_is_broken_uses_up_the_limit(shop: Databases) -> None:
    """It names a row each time; so the run ends soon, and says what it was."""
    trigger(shop, "NULL; END IF; IF NEW.no_such_field THEN NULL")
    result = move(shop)
    assert not result.succeeded
    assert f"reject_limit: more than the {BAD} rows left to it" in result.errors[0]
    assert 'record "new" has no field "no_such_field" [42703]' in result.errors[0]
    assert result.total_rows_rejected == 0
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]


def test_without_a_limit_a_trigger_fails_its_chunk(shop: Databases) -> None:
    trigger(shop, "RAISE EXCEPTION 'bad' USING ERRCODE = 'MYE01'")
    result = move(shop, reject_limit=0)
    assert "MYE01" in result.errors[0]
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]


# -- lines that mislead ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["d, line 1", "COPY d, line 7", "d, line 1: x", 'a"b, line 2'])
def test_a_table_whose_name_reads_like_a_place(shop: Databases, name: str) -> None:
    quoted = name.replace('"', '""')
    trigger(shop, "RAISE EXCEPTION 'bad' USING ERRCODE = 'MYE01'")
    shop.target.execute(f'ALTER TABLE d RENAME TO "{quoted}"')
    result = move(shop, target_table=name)
    shop.target.execute(f'ALTER TABLE "{quoted}" RENAME TO d')
    assert assert_bad_are_set_aside(shop, result) == {"bad [MYE01]"}


def test_a_value_that_reads_like_a_place(shop: Databases) -> None:
    shop.source.execute("UPDATE s SET name = E'x\\nCOPY d, line 3' WHERE v = 0")
    shop.target.execute("ALTER TABLE d ADD CHECK (v > 0)")
    assert_bad_are_set_aside(shop, move(shop))


def test_a_trigger_that_copies_has_lines_of_its_own(shop: Databases, tmp_path: Any) -> None:
    """Where the server reads a file of ours; its context names another table's line."""
    path = tmp_path / "bad.csv"
    path.write_text("1\n2\nthree\n")
    tmp_path.chmod(0o755)
    path.chmod(0o644)
    shop.target.execute("CREATE TABLE other (n int)")
    trigger(shop, f"COPY other FROM '{path}'")
    [reason] = assert_bad_are_set_aside(shop, move(shop))
    assert "integer" in reason or "open file" in reason
