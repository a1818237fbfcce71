"""What a query costs in chunks, by a real planner: cut where ranges are cheap, else read once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mapper_dask import (
    ChunkingStrategy,
    ChunkManager,
    ChunkPlan,
    MapperJob,
    ParallelProcessor,
    read_sql_query,
)
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.dialects.postgresql.source import PostgreSQLSource
from mapper_dask.parallel_models import ChunkKind
from mapper_dask.plan import cost_survey as weighing
from mapper_dask.plan import sample
from tests.database import Database, Server, fresh_databases

SALES, BUYERS, SIZE = 200_000, 40_000, 5_000

TABLES = f"""
CREATE TABLE sale AS
  SELECT i AS id, abs(hashint4(i)) %% {BUYERS} AS buyer, i %% 50 AS shop, i * 0.25 AS price,
         'note ' || i AS note, abs(hashint8(i + 1::int8)) AS mixed,
         power(i / {SALES}.0, 9) AS skewed
  FROM generate_series(1, {SALES}) i;
ALTER TABLE sale ADD PRIMARY KEY (id);
CREATE INDEX ON sale (buyer);
CREATE INDEX ON sale (mixed);
CREATE INDEX ON sale (skewed);
CREATE TABLE buyer AS
  SELECT i AS id, md5(i::text) AS code FROM generate_series(0, {BUYERS} - 1) i;
ALTER TABLE buyer ADD PRIMARY KEY (id);
CREATE TABLE day (shop int, n int, v text, PRIMARY KEY (shop, n));
INSERT INTO day SELECT i / 1000, i %% 1000, 'v' || i FROM generate_series(1, {SALES}) i;
CREATE VIEW per_buyer AS SELECT buyer, count(*) AS n, sum(price) AS total FROM sale GROUP BY buyer;
CREATE VIEW per_note AS SELECT note, count(*) AS n FROM sale GROUP BY note;
"""

CUT = {
    "a table": "SELECT * FROM sale",
    "a composite key": "SELECT * FROM day",
    "GROUP BY an indexed key": (
        "SELECT buyer, count(*) AS n, sum(price) AS total FROM sale GROUP BY buyer ORDER BY buyer"
    ),
    "GROUP BY a composite key": (
        "SELECT shop, n, count(*) AS c, max(v) AS v FROM day GROUP BY shop, n ORDER BY shop, n"
    ),
    "DISTINCT over an indexed key": "SELECT DISTINCT id, note FROM sale ORDER BY id",
    "a window whose partitions are the key's": (
        "SELECT id, buyer, sum(price) OVER (PARTITION BY buyer "
        "ORDER BY id) AS total FROM sale ORDER BY buyer"
    ),
    "UNION ALL": "SELECT id, note FROM sale UNION ALL SELECT id, code FROM buyer ORDER BY id",
    "a join, by the key of the large table": (
        "SELECT s.id, b.code FROM sale s JOIN buyer b ON b.id = s.buyer ORDER BY s.id"
    ),
    "a CTE that is inlined": "WITH x AS (SELECT * FROM sale) SELECT * FROM x ORDER BY id",
    "a view that groups by an indexed key": "SELECT * FROM per_buyer ORDER BY buyer",
}

ONCE = {
    "GROUP BY a key without an index": (
        "SELECT note, count(*) AS n FROM sale GROUP BY note ORDER BY note"
    ),
    "a window over all rows": "SELECT id, rank() OVER (ORDER BY price) AS r FROM sale ORDER BY id",
    "a join, by a key of the inner table without an index": (
        "SELECT s.id, b.code FROM sale s JOIN buyer b ON b.id = s.buyer ORDER BY b.code"
    ),
    "a CTE that is kept": "WITH x AS MATERIALIZED (SELECT * FROM sale) SELECT * FROM x ORDER BY id",
    "a CTE that is used twice": (
        "WITH x AS (SELECT buyer, sum(price) AS p FROM sale GROUP BY buyer) "
        "SELECT a.buyer, a.p - b.p AS d FROM x a JOIN x b USING (buyer) "
        "ORDER BY buyer"
    ),
    "a LIMIT": "SELECT * FROM sale ORDER BY id LIMIT 150000",
    "a view that groups by a key without an index": "SELECT * FROM per_note ORDER BY note",
}


@pytest.fixture(scope="module")
def source(postgres_server: Server) -> Iterator[Database]:
    """Tables large enough for the planner to mind; the tests only read them."""
    with fresh_databases(postgres_server) as fresh:
        fresh.source.execute(TABLES)
        fresh.source.execute("VACUUM ANALYZE")
        yield fresh.source
        dispose_engines()


def plan_of(source: Database, sql: str, **options: Any) -> ChunkPlan:
    options = {"chunk_size": SIZE, **options}
    return ChunkManager().plan(MapperJob(source_conn=source.url, source_sql=sql, **options))


def rows_by_chunk(source: Database, plan: ChunkPlan) -> list[int]:
    manager = ChunkManager()
    counts = [
        f"(SELECT count(*) FROM (\n{manager.create_chunked_query(source.url, plan, chunk)}\n) c)"
        for chunk in plan.chunks
    ]
    return list(source.fetch(f"SELECT {', '.join(counts)}")[0])


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that planning runs to their end."""
    ran: list[str] = []
    count, marks = PostgreSQLSource.count, PostgreSQLSource.key_marks

    def counted(self: Any, sql: str, *keys: Any) -> Any:
        ran.append(sql)
        return count(self, sql, *keys)

    def marked(self: Any, sql: str, *rest: Any) -> Any:
        if not sql.endswith("LIMIT 0"):
            ran.append(sql)
        return marks(self, sql, *rest)

    monkeypatch.setattr(PostgreSQLSource, "count", counted)
    monkeypatch.setattr(PostgreSQLSource, "key_marks", marked)
    return ran


# -- cut, or read once -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CUT)
def test_ranges_that_reach_an_index_are_cut(source: Database, case: str) -> None:
    plan = plan_of(source, CUT[case])
    assert plan.config.strategy is ChunkingStrategy.KEY_BASED
    assert len(plan.chunks) >= BUYERS // SIZE
    assert not [note for note in plan.warnings if "of the whole query" in note]


@pytest.mark.parametrize("case", ["GROUP BY an indexed key", "UNION ALL", "a composite key"])
def test_chunks_of_a_query_the_database_cuts_hold_all_its_rows(source: Database, case: str) -> None:
    plan = plan_of(source, CUT[case])
    [(rows,)] = source.fetch(f"SELECT count(*) FROM ({CUT[case]}) q")
    assert sum(rows_by_chunk(source, plan)) == rows


@pytest.mark.parametrize("case", ONCE)
def test_query_that_would_be_computed_for_every_chunk_is_read_once(
    source: Database, case: str
) -> None:
    plan = plan_of(source, ONCE[case])
    assert [chunk.kind for chunk in plan.chunks] == [ChunkKind.WHOLE]
    assert "read once" in plan.config.reason
    assert "of the whole query" in plan.config.reason
    assert "times all of it together" in plan.config.reason


@pytest.mark.parametrize("case", ONCE)
@pytest.mark.parametrize("asked", ["strategy", "key_column"])
def test_what_the_user_names_is_respected_with_a_warning(
    source: Database, case: str, asked: str
) -> None:
    key = ONCE[case].split("ORDER BY ")[-1].split()[0].rpartition(".")[2]
    options = {"strategy": "KEY_BASED"} if asked == "strategy" else {"key_column": key}
    plan = plan_of(source, ONCE[case], **options)
    assert len(plan.chunks) >= BUYERS // SIZE
    [note] = [note for note in plan.warnings if "of the whole query" in note]
    ranges = [chunk for chunk in plan.chunks if chunk.kind is ChunkKind.KEY_RANGE]
    assert f"each of the {len(ranges)} chunks costs about" in note
    assert f"cannot push a range of {key} into the query" in note
    assert "leave strategy and key_column out to read it once" in note


def test_rows_of_one_range_that_lie_all_over_a_table_are_read_by_address(
    source: Database,
) -> None:
    sql = "SELECT * FROM sale ORDER BY mixed"
    assert plan_of(source, sql, chunk_size=500).config.strategy is ChunkingStrategy.ROWID_BASED
    by_key = plan_of(source, sql, chunk_size=500, strategy="KEY_BASED")
    assert by_key.config.strategy is ChunkingStrategy.KEY_BASED
    assert any("lie all over the table" in note for note in by_key.warnings)


def test_window_is_cut_where_moving_its_rows_costs_more_than_computing_it_again(
    source: Database,
) -> None:
    sql = "SELECT id, lag(id) OVER (ORDER BY id) AS before, note FROM sale ORDER BY id"
    plan = plan_of(source, sql, chunk_size=SALES // 4)
    assert len(plan.chunks) > 3
    [note] = [note for note in plan.warnings if "of the whole query" in note]
    assert "computes it again for each" in note


def test_rows_that_are_read_once_arrive_once(source: Database, postgres_server: Server) -> None:
    with fresh_databases(postgres_server) as fresh:
        fresh.target.execute("CREATE TABLE ranked (id int, r int8)")
        result = ParallelProcessor(enable_parallel=False, progress=False).run(
            MapperJob(
                source_conn=source.url,
                source_sql=ONCE["a window over all rows"],
                transformation_logic=lambda frame: frame,
                target_conn=fresh.target.url,
                target_table="ranked",
                chunk_size=SIZE,
            )
        )
        result.raise_for_status()
        assert result.chunks_total == SALES // SIZE
        assert all("as read once" in chunk.bounds for chunk in result.chunk_results)
        found = fresh.target.fetch("SELECT count(*), count(DISTINCT id), max(r) FROM ranked")
        assert found == [(SALES, SALES, SALES)]
        dispose_engines()


# -- what planning costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["a window over all rows", "a CTE that is kept"])
def test_costly_query_is_not_run_to_learn_that_it_cannot_be_cut(
    source: Database, monkeypatch: pytest.MonkeyPatch, executed: list[str], case: str
) -> None:
    monkeypatch.setattr(weighing, "DEAR", 0.0)
    plan_of(source, ONCE[case])
    assert executed == []


def test_nulls_that_an_outer_join_adds_are_no_evidence(
    source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IS NULL stays above the join, a range goes below it."""
    monkeypatch.setattr(weighing, "DEAR", 0.0)
    sql = "SELECT b.id AS other, s.id FROM sale s LEFT JOIN sale b ON b.id = s.id ORDER BY b.id"
    assert len(plan_of(source, sql).chunks) > SALES // SIZE


@pytest.mark.parametrize("key", ["id", "mixed", "skewed"])
def test_keys_are_sampled_at_places_of_the_table(
    source: Database, monkeypatch: pytest.MonkeyPatch, executed: list[str], key: str
) -> None:
    """A key in the order of the rows, one in no order, one that is very uneven."""
    monkeypatch.setattr(sample, "WALKED_ROWS", 1_000)
    plan = plan_of(
        source, f"SELECT * FROM sale WHERE {key} IS NOT NULL", key_column=key, chunk_size=20_000
    )
    assert all("UNION ALL" in sql and "ctid" in sql for sql in executed)
    found = [rows for rows in rows_by_chunk(source, plan) if rows]
    assert sum(found) == SALES
    mean = SALES / len(found)
    assert max(found) < 2 * mean
    assert all(rows > mean / 2 for rows in found[:-1])
    assert abs(plan.config.total_rows - SALES) < 0.1 * SALES


def test_text_that_would_be_repeated_too_often_is_not(
    source: Database, monkeypatch: pytest.MonkeyPatch, executed: list[str]
) -> None:
    monkeypatch.setattr(sample, "WALKED_ROWS", 1_000)
    monkeypatch.setattr(sample, "LONGEST_SAMPLE", 1_000)
    plan_of(source, "SELECT * FROM sale", chunk_size=20_000)
    assert all("TABLESAMPLE" in sql for sql in executed)


def test_places_that_each_cost_a_scan_are_not_looked_at(
    source: Database, monkeypatch: pytest.MonkeyPatch, executed: list[str]
) -> None:
    monkeypatch.setattr(sample, "WALKED_ROWS", 1_000)
    sql = "SELECT * FROM sale WHERE shop IN (SELECT shop FROM day)"
    plan_of(source, sql, chunk_size=20_000)
    assert executed
    assert not [text for text in executed if "UNION ALL" in text]


@pytest.mark.parametrize("key", ["id", "mixed"])
def test_chunk_of_a_key_goes_by_its_index(source: Database, key: str) -> None:
    plan = plan_of(source, "SELECT * FROM sale", key_column=key, chunk_size=1_000)
    sql = ChunkManager().create_chunked_query(source.url, plan, len(plan.chunks) // 2)
    [(found,)] = source.fetch(f"EXPLAIN (FORMAT JSON) {sql.replace('%', '%%')}")
    assert "Index Scan" in str(found)
    assert "Seq Scan" not in str(found)


# -- chunks by bytes -------------------------------------------------------------------------------


def test_auto_counts_the_columns_that_are_read(source: Database) -> None:
    sql = "SELECT id, repeat('x', 2000) || note AS wide FROM sale"
    every = plan_of(source, "SELECT * FROM sale", chunk_size="auto").config
    assert "chunk_size chosen by bytes: about 4.0 MB a chunk" in every.reason
    assert SALES / 8 < every.chunk_size < SALES
    narrow = plan_of(source, "SELECT * FROM sale", chunk_size="auto", columns=["id"]).config
    assert narrow.chunk_size > 3 * every.chunk_size
    assert str(every.chunk_size) in str(plan_of(source, sql, chunk_size=every.chunk_size).config)


def test_partitions_of_a_frame_are_chosen_by_bytes_too(source: Database) -> None:
    frame = read_sql_query("SELECT * FROM sale", source.url, chunk_size="auto")
    auto = plan_of(source, "SELECT * FROM sale", chunk_size="auto")
    assert frame.npartitions == len(auto.chunks) > 2


def test_run_in_chunks_by_bytes_goes_on_by_its_stored_plan(
    source: Database, postgres_server: Server
) -> None:
    with fresh_databases(postgres_server) as fresh:
        fresh.target.execute("CREATE TABLE days (shop int, n int, v text)")
        job = MapperJob(
            source_conn=source.url,
            source_sql="SELECT * FROM day",
            target_conn=fresh.target.url,
            target_table="days",
            chunk_size="auto",
            run_id="by-bytes",
        )
        processor = ParallelProcessor(enable_parallel=False, progress=False)
        first = processor.run(job).raise_for_status()
        again = processor.run(job).raise_for_status()
        assert again.chunks_total == first.chunks_total
        assert fresh.target.fetch("SELECT count(*) FROM days") == [(SALES,)]
        dispose_engines()
