"""Rows that are refused are set aside with the true reason; the others of their chunk load."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessingResult, ParallelProcessor, reject
from tests.builders import job_of, make_shop
from tests.database import Databases

ROWS = 10_000
CHUNK = 1_000
MARKED, RAISING, UNFIT, BROKEN = 11, 22, 33, 44
"""What the last two digits of a bad row's id are; each kind is one row in a hundred."""


@pytest.fixture
def shop(databases: Databases) -> Databases:
    """10,000 rows, and a target that is choosy."""
    return make_shop(
        databases,
        ROWS,
        "g::text AS code, g * 1.5 AS price, "
        f"CASE g %% 100 WHEN {BROKEN} THEN -1 ELSE g END AS stock, g %% 100 AS last",
        target="d (id int PRIMARY KEY, code int, price numeric, "
        "stock int CHECK (stock >= 0), last int)",
    )


def mark(frame: pd.DataFrame) -> pd.DataFrame:
    """Mark some rows, and let others have a code that is no number."""
    frame = frame.assign(code=frame["code"].where(frame["last"] != UNFIT, "1e99").astype(object))
    frame["code"] = [int(code) if code.isdigit() else 10**12 for code in frame["code"]]
    return reject(frame, frame["last"] == MARKED, "the shop does not sell it")


def choke(frame: pd.DataFrame) -> pd.DataFrame:
    """Raise, as pandas does when a text is no number."""
    text = frame["code"].where(frame["last"] != RAISING, "n/a")
    return frame.assign(code=text.astype("int64[pyarrow]"))


def as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def move(databases: Databases, function: Any = None, **options: Any) -> ParallelProcessingResult:
    parallel = options.pop("parallel", False)
    usual = {"source_sql": options.pop("sql", "SELECT * FROM s"), "reject_limit": ROWS}
    job = job_of(databases, transformation_logic=function, chunk_size=CHUNK, **{**usual, **options})
    return ParallelProcessor(enable_parallel=parallel, max_workers=2).run(job)


def ids_ending_in(*ends: int) -> set[int]:
    return {i for i in range(1, ROWS + 1) if i % 100 in ends}


def rejects(databases: Databases, result: ParallelProcessingResult) -> pd.DataFrame:
    return ParallelProcessor().rejects(str(result.run_id), target_conn=databases.target.url)


def assert_set_aside(
    databases: Databases, result: ParallelProcessingResult, stages: dict[str, tuple[int, ...]]
) -> pd.DataFrame:
    """Hold the reject table, the target and the counts against what was bad."""
    found = rejects(databases, result)
    for stage, ends in stages.items():
        ids = Counter(row["id"] for row in found[found.stage == stage].row)
        assert ids == Counter(ids_ending_in(*ends)), stage
    bad = ids_ending_in(*(end for ends in stages.values() for end in ends))
    assert len(found) == len(bad) == result.total_rows_rejected
    loaded = {i for (i,) in databases.target.fetch("SELECT id FROM d")}
    assert loaded == set(range(1, ROWS + 1)) - bad
    assert result.total_rows_successful == len(loaded)
    assert result.total_rows_processed == ROWS
    unbalanced = "SELECT * FROM mapper_dask_chunk WHERE rows_out <> rows_loaded + rows_rejected"
    assert databases.target.fetch(unbalanced) == []
    return found


@pytest.mark.parametrize("parallel", [False, True])
def test_marked_unfit_and_broken_rows_are_set_aside_each_with_its_reason(
    shop: Databases, *, parallel: bool
) -> None:
    result = move(shop, mark, parallel=parallel).raise_for_status()
    stages = {"transform": (MARKED,), "encode": (UNFIT,), "load": (BROKEN,)}
    found = assert_set_aside(shop, result, stages)
    reasons = found.groupby("stage").reason.unique().map(list).to_dict()
    assert reasons["transform"] == ["the shop does not sell it"]
    assert reasons["load"] == [
        'new row for relation "d" violates check constraint "d_stock_check" [23514]'
    ]
    assert all("column 'code'" in reason for reason in reasons["encode"])


def test_rows_at_which_the_function_raises_are_found(shop: Databases) -> None:
    result = move(shop, choke).raise_for_status()
    found = assert_set_aside(shop, result, {"transform": (RAISING,), "load": (BROKEN,)})
    reasons = set(found[found.stage == "transform"].reason)
    assert len(reasons) == 1
    assert "n/a" in reasons.pop()


def test_without_a_function_the_database_refuses_rows(shop: Databases) -> None:
    sql = "SELECT id, id AS code, price, stock, last FROM s"
    assert_set_aside(shop, move(shop, sql=sql).raise_for_status(), {"load": (BROKEN,)})


def test_a_reject_tells_its_chunk_its_key_and_its_row(shop: Databases) -> None:
    found = rejects(shop, move(shop, mark))
    marked = found[found.stage == "transform"].iloc[0]
    assert (marked.chunk_id, marked.key) == (0, {"id": MARKED})
    assert marked.row == {
        "id": MARKED, "code": MARKED, "price": pytest.approx(MARKED * 1.5), "stock": MARKED,
        "last": MARKED,
    }  # fmt: skip


def test_unique_and_foreign_keys_refuse_single_rows(shop: Databases) -> None:
    """A foreign key is checked after the whole COPY, which then names no line."""
    shop.target.execute("CREATE TABLE known (id int PRIMARY KEY)")
    shop.target.execute("INSERT INTO known SELECT generate_series(1, %s)", ROWS)
    shop.target.execute("DELETE FROM known WHERE id %% 100 = %s", RAISING)
    shop.target.execute("ALTER TABLE d ADD FOREIGN KEY (id) REFERENCES known")
    shop.target.execute("INSERT INTO d SELECT g, g, g, g, g FROM generate_series(100, 500, 100) g")
    sql = "SELECT id, id AS code, price, last FROM s"
    result = move(shop, sql=sql).raise_for_status()
    found = rejects(shop, result)
    assert result.total_rows_successful == ROWS - 105
    codes = Counter(reason[-7:] for reason in found.reason)
    assert codes == {"[23503]": 100, "[23505]": 5}


@pytest.mark.parametrize("deferred", ["NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_deferred_constraint_refuses_rows_too(shop: Databases, deferred: str) -> None:
    shop.target.execute(f"ALTER TABLE d ADD UNIQUE (last) {deferred}")
    sql = "SELECT id, id AS code, price, last FROM s WHERE id <= 110"
    result = move(shop, sql=sql, key_column="id").raise_for_status()
    assert (result.total_rows_successful, result.total_rows_rejected) == (100, 10)


def test_line_breaks_within_values_do_not_mislead(shop: Databases) -> None:
    """COPY counts the lines of its input, and a value may hold some."""
    shop.target.execute("ALTER TABLE d ALTER code TYPE text")
    sql = "SELECT id, E'a\\nb\\r\\n\\nc' AS code, price, stock, last FROM s"
    assert_set_aside(shop, move(shop, sql=sql).raise_for_status(), {"load": (BROKEN,)})


def test_adjacent_bad_rows_and_bad_ends(shop: Databases) -> None:
    shop.source.execute("UPDATE s SET stock = CASE WHEN id <= 5 OR id > 9990 THEN -1 ELSE 1 END")
    sql = "SELECT id, id AS code, price, stock, last FROM s"
    result = move(shop, sql=sql).raise_for_status()
    assert {row["id"] for row in rejects(shop, result).row} == {*range(1, 6), *range(9991, 10001)}
    assert result.total_rows_successful == ROWS - 15


def test_values_that_json_cannot_hold_are_kept_as_text(shop: Databases) -> None:
    shop.target.execute("DROP TABLE d")
    shop.target.execute(
        "CREATE TABLE d (id int CHECK (id < 0), t text, f float8, b bytea, n numeric)"
    )
    sql = (
        "SELECT 1 AS id, E'\\u2028\"' AS t, 'NaN'::float8 AS f, '\\x00ff'::bytea AS b, "
        "1e40::numeric AS n"
    )
    [row] = rejects(shop, move(shop, as_it_is, sql=sql)).row
    assert row["t"] == '\u2028"'
    assert (row["f"], row["b"]) == ("NaN", "\\x00ff")
    assert float(row["n"]) == pytest.approx(1e40)


# -- the limit ---------------------------------------------------------------------------------


def test_without_a_limit_a_marked_row_fails_its_chunk(shop: Databases) -> None:
    result = move(shop, mark, reject_limit=0)
    assert "reject_limit" in result.errors[0]
    assert "the shop does not sell it" in result.errors[0]
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]
    assert rejects(shop, result).empty


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("on_error", ["abort", "continue"])
def test_beyond_the_limit_of_the_run_it_stops(
    shop: Databases, on_error: str, *, parallel: bool
) -> None:
    """30 bad rows a chunk, 100 allowed: three chunks fit, whichever they are, and no fourth."""
    result = move(
        shop, mark, reject_limit=100, on_error=on_error, parallel=parallel, run_id="limited"
    )
    assert not result.succeeded
    assert result.chunks_succeeded == 3
    assert len(rejects(shop, result)) == result.total_rows_rejected == 90
    assert shop.target.fetch("SELECT count(*) FROM d") == [(3 * (CHUNK - 30),)]
    assert "reject_limit=100" in result.errors[0]
    more = ParallelProcessor(enable_parallel=False).resume(
        "limited", target_conn=shop.target.url, transformation_logic=mark, reject_limit=300
    )
    stages = {"transform": (MARKED,), "encode": (UNFIT,), "load": (BROKEN,)}
    assert_set_aside(shop, more.raise_for_status(), stages)


def test_a_function_that_always_raises_stops_soon_and_shows_its_traceback(shop: Databases) -> None:
    calls = []

    def broken(frame: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(frame))
        return frame.assign(x=frame["no such column"])

    result = move(shop, broken, reject_limit=10)
    assert 'frame["no such column"]' in result.errors[0]
    assert len(calls) < 100
    assert rejects(shop, result).empty


def test_a_fault_of_a_whole_column_is_no_matter_of_rows(shop: Databases) -> None:
    def to_texts(frame: pd.DataFrame) -> pd.DataFrame:
        if len(frame) <= 100:  # it is tried on a sample beforehand
            return frame.assign(code=1)
        return frame.assign(code=frame["code"].astype("string"))

    result = move(shop, to_texts)
    assert not result.succeeded
    assert shop.target.fetch("SELECT count(*) FROM d") == [(0,)]


# -- with everything else ----------------------------------------------------------------------


def test_rejects_of_a_chunk_that_rolls_back_are_gone_with_it(shop: Databases) -> None:
    """The target breaks off after the rows were set aside: neither those nor the others stay."""
    shop.target.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE division_by_zero; END $$"
    )
    move(shop, mark, sql="SELECT * FROM s WHERE false", key_column="id")  # makes the ledger
    shop.target.execute(
        "CREATE TRIGGER no BEFORE UPDATE ON mapper_dask_chunk FOR EACH ROW "
        "WHEN (new.state = 'PROCESSED' AND new.chunk_id = 4) EXECUTE FUNCTION no()"
    )
    result = move(shop, mark, on_error="continue")
    assert result.chunks_succeeded == result.chunks_total - 1
    found = rejects(shop, result)
    assert 4 not in set(found.chunk_id)
    assert len(found) == result.total_rows_rejected == 30 * 9


def test_staged_rows_are_refused_by_the_targets_constraints(shop: Databases) -> None:
    result = move(shop, mark, write_disposition="replace").raise_for_status()
    stages = {"transform": (MARKED,), "encode": (UNFIT,), "load": (BROKEN,)}
    assert_set_aside(shop, result, stages)


def test_a_dry_run_counts_marked_rows(shop: Databases) -> None:
    job = MapperJob(
        source_conn=shop.source.url, source_sql="SELECT * FROM s", transformation_logic=mark,
        reject_limit=ROWS,
    )  # fmt: skip
    result = ParallelProcessor(enable_parallel=False).run(job)
    assert result.total_rows_rejected == 100
