"""Oracle's names, types and flashback clauses, without a server."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mapper_dask.dialects.oracle import Oracle, flashback, names, queries, types
from mapper_dask.dialects.postgresql import types as postgresql_types
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.schema.conversions import Exactness, incoming_from_column, judge
from mapper_dask.schema.facts import SourceQuery, Splice


@pytest.mark.parametrize("name", ["ID", "id", "Id", "MY_TABLE$1", "été", "ß", "_1", "日本"])
def test_folding_a_name_twice_gives_it_back(name):
    assert names.folded(names.folded(name)) == name


def test_plain_names_are_shown_in_lower_case_and_quoted_in_upper():
    assert names.folded("FLIGHT_ID") == "flight_id"
    assert names.quote("flight_id") == '"FLIGHT_ID"'
    assert names.quote("Flight Id") == '"Flight Id"'


@pytest.mark.parametrize("name", ['a"b', "a\0b"])
def test_a_name_that_cannot_be_quoted_is_refused(name):
    with pytest.raises(ValueError, match="identifier"):
        names.quote(name)


@pytest.mark.parametrize(
    ("sql", "frozen"),
    [
        ("SELECT * FROM t", "SELECT * FROM t AS OF SCN 7"),
        ("SELECT * FROM s.t x, u", "SELECT * FROM s.t AS OF SCN 7 x, u AS OF SCN 7"),
        ("SELECT 't' FROM t -- t", "SELECT 't' FROM t AS OF SCN 7 -- t"),
        ("SELECT 1 FROM dual", "SELECT 1 FROM dual"),
        ("SELECT * FROM t SAMPLE (5) x", "SELECT * FROM t SAMPLE (5) AS OF SCN 7 x"),
        (
            "WITH c AS (SELECT * FROM t) SELECT * FROM c WHERE EXISTS (SELECT 1 FROM u)",
            (
                "WITH c AS (SELECT * FROM t AS OF SCN 7) SELECT * FROM c "
                "WHERE EXISTS (SELECT 1 FROM u AS OF SCN 7)"
            ),
        ),
        ("SELECT * FROM t AS OF SCN 3, u", "SELECT * FROM t AS OF SCN 3, u AS OF SCN 7"),
    ],
)
def test_every_table_is_read_as_of_the_state(sql, frozen):
    found = flashback.places(sql)
    assert found.problem == ""
    assert flashback.with_clause(sql, found.ends, "7") == frozen


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM t@elsewhere", "link"),
        ("SELECT * FROM TABLE(f(1))", "no table"),
        ("SELECT * FROM v$session", "present state"),
        ("SELECT * FROM user_tables", "present state"),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", "WITH T reads T"),
        ("SELECT * FROM t WHERE (", "not understood"),
        ("DELETE FROM t", "no query"),
    ],
)
def test_what_has_no_state_is_said(sql, why):
    assert why in flashback.places(sql).problem


def test_the_state_number_is_a_number():
    with pytest.raises(ValueError, match="invalid literal"):
        flashback.with_clause("SELECT * FROM t", (15,), "1 OR 1=1")


def test_a_splice_is_read_as_of_the_state_too():
    sql = "SELECT * FROM t WHERE a IN (SELECT b FROM u)"
    splice = Splice("SELECT * FROM ", "t", " WHERE a IN (SELECT b FROM u)", "t")
    query = SourceQuery(sql, (), splice=splice)
    frozen = Oracle().as_of(query, "7")
    whole = queries.row_address_range(frozen, Chunk(0, ChunkKind.ROWID_RANGE, upper=("AAA",)))
    assert whole == (
        "SELECT * FROM (SELECT * FROM t AS OF SCN 7 WHERE ROWID < CHARTOROWID('AAA')) t "
        "WHERE a IN (SELECT b FROM u AS OF SCN 7)"
    )


def column(data_type, precision=None, scale=None, length=None):
    return types.column_of_table(
        "C", data_type, precision, scale, length, nullable=True, has_default=False, generated=False
    )


@pytest.mark.parametrize(
    ("given", "arrow"),
    [
        (("NUMBER", 10, 0), pa.int64()),
        (("NUMBER", 18, 0), pa.int64()),
        (("NUMBER", 19, 0), pa.decimal128(19, 0)),
        (("NUMBER", None, 0), pa.decimal128(38, 0)),
        (("NUMBER", 12, 2), pa.decimal128(12, 2)),
        (("NUMBER", 2, 5), pa.decimal128(5, 5)),
        (("NUMBER", 5, -2), pa.int64()),
        (("NUMBER", 38, -80), pa.string()),
        (("NUMBER",), pa.string()),
        (("FLOAT", 126), pa.string()),
        (("DATE",), pa.timestamp("s")),
        (("TIMESTAMP(6)",), pa.timestamp("us")),
        (("TIMESTAMP(9)",), pa.timestamp("ns")),
        (("TIMESTAMP(6) WITH TIME ZONE",), pa.timestamp("us", tz="UTC")),
        (("VARCHAR2", None, None, 20), pa.string()),
        (("CLOB",), pa.string()),
        (("RAW",), pa.binary()),
        (("BINARY_DOUBLE",), pa.float64()),
        (("INTERVAL DAY(2) TO SECOND(6)",), pa.string()),
    ],
)
def test_each_type_has_an_arrow_type_that_holds_it(given, arrow):
    assert column(*given).arrow == arrow


def into_postgresql(source, type_name):
    target = postgresql_types.column("c", type_name, type_name, "N", native=True, not_null=False)
    return judge(incoming_from_column(source), target)


def test_what_a_way_loses_is_named():
    nine = into_postgresql(column("TIMESTAMP(9)"), "timestamp without time zone")
    assert (nine.verdict, "6 digits" in nine.note) == (Exactness.LOSSY, True)
    zoned = into_postgresql(column("TIMESTAMP(6) WITH TIME ZONE"), "timestamp with time zone")
    assert "the zone it was written with is not" in zoned.note
    local = into_postgresql(column("TIMESTAMP(6) WITH LOCAL TIME ZONE"), "timestamp with time zone")
    assert local.verdict is Exactness.EXACT
    assert into_postgresql(column("NUMBER"), "numeric").verdict is Exactness.EXACT


def test_a_number_that_may_be_too_long_for_oracle_is_named():
    source = postgresql_types.column("c", "numeric", "numeric", "N", native=True, not_null=False)
    assert "38 digits" in judge(incoming_from_column(source), column("NUMBER")).note
    assert judge(incoming_from_column(column("NUMBER")), column("NUMBER")).note == ""


def test_windows_are_numbered_where_offset_is_not_known():
    query = SourceQuery("SELECT * FROM t", (column("NUMBER", 10, 0),), (column("NUMBER", 10, 0),))
    window = Chunk(0, ChunkKind.WINDOW, offset=20, limit=10)
    assert "OFFSET 20 ROWS FETCH NEXT 10 ROWS ONLY" in queries.chunk_query(query, window, 19)
    assert "ROWNUM <= 30" in queries.chunk_query(query, window, 11)


def test_a_key_of_several_columns_is_compared_column_by_column():
    keys = (column("NUMBER", 10, 0), column("VARCHAR2", None, None, 5))
    assert queries.key_range(keys, ("1", "o'x"), None).startswith(
        '(q."C" > 1 OR (q."C" = 1 AND q."C" >= \'o\'\'x\'))'
    )
