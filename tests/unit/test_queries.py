"""The SQL that reads chunks, as text."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.postgresql import queries
from mapper_dask.dialects.postgresql.types import column
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.schema.facts import SourceQuery, Splice

A = column("a", "character varying(5)", "character varying", "S", native=True)
B = column('b"x', "integer", "integer", "N", native=True)
SQL = "SELECT * FROM t -- mine"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def chunk_sql(chunk: Chunk, *keys, splice: Splice | None = None) -> str:
    return queries.chunk_query(SourceQuery(SQL, (A, B), keys, splice), chunk, literal)


def where(lower, upper, *keys) -> str:
    chunk = Chunk(0, ChunkKind.KEY_RANGE, lower=lower, upper=upper)
    head, _, predicate = chunk_sql(chunk, *keys).partition("\n) AS q WHERE ")
    assert head == f'SELECT q."a", q."b""x" FROM (\n{SQL}'
    return predicate


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", '"a"'), ('a"b', '"a""b"'), ('"', '""""'), ("É t", '"É t"')]
)
def test_an_identifier_is_quoted_with_its_quotes_doubled(name, quoted):
    assert queries.quote(name) == quoted


def test_an_identifier_with_nul_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        queries.quote("a\0b")


def test_the_whole_query_is_wrapped_on_lines_of_its_own():
    assert chunk_sql(Chunk(0, ChunkKind.WHOLE)) == f'SELECT q."a", q."b""x" FROM (\n{SQL}\n) AS q'


def test_a_range_includes_its_lower_and_excludes_its_upper_bound():
    assert where(("x",), ("y",), A) == (
        "q.\"a\" OPERATOR(pg_catalog.>=) 'x'::character varying"
        " AND q.\"a\" OPERATOR(pg_catalog.<) 'y'::character varying"
    )


def test_the_first_and_the_last_range_are_open():
    assert where(None, ("y",), A) == "q.\"a\" OPERATOR(pg_catalog.<) 'y'::character varying"
    assert where(("x",), None, A) == "q.\"a\" OPERATOR(pg_catalog.>=) 'x'::character varying"


def test_a_range_without_bounds_still_leaves_out_null():
    assert where(None, None, A) == 'q."a" IS NOT NULL'


def test_a_composite_range_is_a_row_value_and_leaves_out_null_in_any_part():
    assert where(("x", "1"), None, A, B) == (
        '(q."a", q."b""x") OPERATOR(pg_catalog.>=) (\'x\'::character varying, \'1\'::integer) '
        "AND q.\"a\" OPERATOR(pg_catalog.>=) 'x'::character varying"
        ' AND q."a" IS NOT NULL AND q."b""x" IS NOT NULL'
    )


def test_a_composite_range_tells_the_planner_the_range_of_its_first_column():
    assert where(("x", "1"), ("y", "2"), A, B) == (
        '(q."a", q."b""x") OPERATOR(pg_catalog.>=) (\'x\'::character varying, \'1\'::integer) '
        'AND (q."a", q."b""x") OPERATOR(pg_catalog.<) (\'y\'::character varying, \'2\'::integer) '
        "AND q.\"a\" OPERATOR(pg_catalog.>=) 'x'::character varying"
        " AND q.\"a\" OPERATOR(pg_catalog.<=) 'y'::character varying "
        'AND q."a" IS NOT NULL AND q."b""x" IS NOT NULL'
    )


def test_the_null_chunk_is_every_row_with_null_in_any_part():
    sql = chunk_sql(Chunk(0, ChunkKind.NULL_KEY), A, B)

    assert sql.endswith(' WHERE q."a" IS NULL OR q."b""x" IS NULL')


def test_a_bound_is_quoted_by_the_driver():
    assert "'O''Hara'::character varying" in where(("O'Hara",), None, A)


def test_a_window_is_ordered_by_its_key_and_the_last_has_no_limit():
    window = Chunk(0, ChunkKind.WINDOW, offset=10, limit=5)
    last = Chunk(1, ChunkKind.WINDOW, offset=15)

    assert chunk_sql(window, A, B).endswith(') AS q ORDER BY q."a", q."b""x" OFFSET 10 LIMIT 5')
    assert chunk_sql(last, A).endswith(') AS q ORDER BY q."a" OFFSET 15')


@pytest.mark.parametrize(
    ("lower", "upper", "predicate"),
    [
        (
            ("(0,0)",),
            ("(9,0)",),
            (
                " WHERE ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid"
                " AND ctid OPERATOR(pg_catalog.<) '(9,0)'::pg_catalog.tid"
            ),
        ),
        (None, ("(9,0)",), " WHERE ctid OPERATOR(pg_catalog.<) '(9,0)'::pg_catalog.tid"),
        (("(9,0)",), None, " WHERE ctid OPERATOR(pg_catalog.>=) '(9,0)'::pg_catalog.tid"),
        (None, None, ""),
    ],
)
def test_row_addresses_restrict_the_table_where_it_stands(lower, upper, predicate):
    chunk = Chunk(0, ChunkKind.ROWID_RANGE, lower=lower, upper=upper)
    splice = Splice("SELECT * FROM ", "s.t", " -- mine", "t")

    sql = chunk_sql(chunk, splice=splice)

    assert f"FROM (\nSELECT * FROM (SELECT * FROM s.t{predicate}) t -- mine\n) AS q" in sql


def test_row_addresses_without_a_table_are_a_mistake():
    with pytest.raises(ValueError, match="single table"):
        chunk_sql(Chunk(0, ChunkKind.ROWID_RANGE))


def test_every_step_th_key_is_marked_and_null_is_not():
    sql = queries.key_marks(SQL, (A, B), 7)

    assert 'pg_catalog.row_number() OVER (ORDER BY q."a", q."b""x")' in sql
    assert '"a" IS NOT NULL AND q."b""x" IS NOT NULL' in sql
    assert "OPERATOR(pg_catalog.%) 7) OPERATOR(pg_catalog.=) 0" in sql


def test_duplicates_are_looked_for_by_group():
    assert queries.duplicates(SQL, ["a"]).endswith(
        'GROUP BY q."a" HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1'
    )


def test_a_sample_is_of_the_table_where_there_is_one():
    splice = Splice("SELECT * FROM ", "t", "", "t")

    assert "pg_catalog.random() OPERATOR(pg_catalog.<) 0.1" in queries.sampled(
        SourceQuery(SQL, ()), 10
    )
    assert "FROM t TABLESAMPLE pg_catalog.bernoulli (10.0" in queries.sampled(
        SourceQuery(SQL, (), (), splice), 10
    )
