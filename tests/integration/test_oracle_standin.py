"""The stand-in itself, by the unmodified driver: what it says must be what an Oracle would say.

It has a server of its own here, whose statements are not journalled: some are wrong on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import oracledb
import pyarrow as pa
import pytest

from mapper_dask.dialects.oracle import session as dialect_session
from tests.database import Server
from tests.oracle import standin_on
from tests.oracle_standin import Running, running_standin

PLAIN = "novice"
FORMAT = "'SYYYY-MM-DD HH24:MI:SS.FF9'"


@pytest.fixture(scope="module")
def own(postgres_server: Server) -> Iterator[Running]:
    with standin_on(postgres_server, plain={PLAIN: "lamb"}) as running:
        yield running


def connected(own: Running, user: str = "source", **options: Any) -> oracledb.Connection:
    return oracledb.connect(user=user, password=own.users[user], dsn=own.dsn, **options)


@pytest.fixture
def conn(own):
    connection = connected(own)
    yield connection
    own.clear_faults()
    with contextlib.suppress(oracledb.Error):
        connection.close()


@pytest.fixture
def cursor(conn):
    with conn.cursor() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def _table(own):
    """A table of 5,000 rows, which every test leaves as it is."""
    with connected(own) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE t (id NUMBER(10) NOT NULL, n NUMBER, np NUMBER(12,3), "
            "v VARCHAR2(20 CHAR), CONSTRAINT t_pk PRIMARY KEY (id))"
        )
        rows = [(i, i / 8, f"v{i}") for i in range(5000)]
        cursor.executemany("INSERT INTO t (id, n, v) VALUES (:1, :2, :3)", rows)
        connection.commit()
    yield
    with connected(own) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE t PURGE")


def refused(code: str, act: Any, *arguments: Any) -> str:
    with pytest.raises(oracledb.Error) as raised:
        act(*arguments)
    assert raised.value.args[0].full_code == code, str(raised.value)
    return str(raised.value)


# -- values ----------------------------------------------------------------------------------------

OFFSET = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
VALUES = [
    ("NUMBER(10)", oracledb.DB_TYPE_NUMBER, 4711),
    ("NUMBER", oracledb.DB_TYPE_NUMBER, Decimal("123456789012345678901234567890.12345678")),
    ("NUMBER", oracledb.DB_TYPE_NUMBER, Decimal("-0.00000000000000000000000001")),
    ("NUMBER(12,3)", oracledb.DB_TYPE_NUMBER, Decimal("-1.5")),
    ("FLOAT", oracledb.DB_TYPE_NUMBER, Decimal("0.1")),
    ("FLOAT(63)", oracledb.DB_TYPE_NUMBER, Decimal(2**62)),
    ("VARCHAR2(20 CHAR)", oracledb.DB_TYPE_VARCHAR, "héllo €"),
    ("NVARCHAR2(20)", oracledb.DB_TYPE_NVARCHAR, "漢字 é 🙂"),
    ("NCHAR(4)", oracledb.DB_TYPE_NCHAR, "字ab "),
    ("CHAR(4)", oracledb.DB_TYPE_CHAR, "ab  "),
    ("DATE", oracledb.DB_TYPE_DATE, dt.datetime(2024, 2, 29, 13, 14, 15)),  # noqa: DTZ001
    ("TIMESTAMP(6)", oracledb.DB_TYPE_TIMESTAMP, dt.datetime(2024, 2, 29, 1, 2, 3, 456789)),  # noqa: DTZ001
    ("CLOB", oracledb.DB_TYPE_CLOB, "x" * 40_000 + "é漢"),
    ("NCLOB", oracledb.DB_TYPE_NCLOB, "漢" * 40_000),
    ("BLOB", oracledb.DB_TYPE_BLOB, bytes(range(256)) * 300),
    ("RAW(16)", oracledb.DB_TYPE_RAW, b"\x00\xff"),
    ("BINARY_DOUBLE", oracledb.DB_TYPE_BINARY_DOUBLE, -1.5e100),
    ("BINARY_FLOAT", oracledb.DB_TYPE_BINARY_FLOAT, 0.25),
    ("INTERVAL DAY(2) TO SECOND(6)", oracledb.DB_TYPE_INTERVAL_DS,
     dt.timedelta(days=3, hours=4, microseconds=5)),
    ("INTERVAL DAY TO SECOND", oracledb.DB_TYPE_INTERVAL_DS,
     -dt.timedelta(days=1, seconds=7384, milliseconds=500)),
    ("INTERVAL YEAR TO MONTH", oracledb.DB_TYPE_INTERVAL_YM, oracledb.IntervalYM(-1, -2)),
]  # fmt: skip


@contextlib.contextmanager
def column_of(conn, kind):
    with conn.cursor() as cursor:
        cursor.execute(f"CREATE TABLE one (x {kind})")
        try:
            yield cursor
        finally:
            conn.rollback()
            cursor.execute("DROP TABLE one PURGE")


@pytest.mark.parametrize(("kind", "bind", "value"), VALUES, ids=[v[0] for v in VALUES])
def test_a_value_comes_back_as_it_went(conn, kind, bind, value):
    with column_of(conn, kind) as cursor:
        cursor.setinputsizes(bind)
        cursor.execute("INSERT INTO one VALUES (:1)", [value])
        cursor.execute("INSERT INTO one VALUES (:1)", [None])
        for lobs in (False, True):
            cursor.execute("SELECT x FROM one", fetch_lobs=lobs, fetch_decimals=True)
            found = [row[0] for row in cursor.fetchall()]
            found = [v.read() if isinstance(v, oracledb.LOB) else v for v in found]
            assert found == [value, None]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("FLOAT", ("DB_TYPE_NUMBER", 126, -127)),
        ("NUMBER", ("DB_TYPE_NUMBER", 0, -127)),
        ("NUMBER(12,3)", ("DB_TYPE_NUMBER", 12, 3)),
        ("NVARCHAR2(20)", ("DB_TYPE_NVARCHAR", None, None)),
        ("NCHAR(4)", ("DB_TYPE_NCHAR", None, None)),
        ("NCLOB", ("DB_TYPE_NCLOB", None, None)),
        ("TIMESTAMP(9)", ("DB_TYPE_TIMESTAMP", 0, 9)),
        ("TIMESTAMP(9) WITH TIME ZONE", ("DB_TYPE_TIMESTAMP_TZ", 0, 9)),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", ("DB_TYPE_TIMESTAMP_LTZ", 0, 6)),
        ("INTERVAL DAY TO SECOND", ("DB_TYPE_INTERVAL_DS", 2, 6)),
        ("INTERVAL YEAR TO MONTH", ("DB_TYPE_INTERVAL_YM", 2, 0)),
    ],
)
def test_a_type_is_described_as_oracle_describes_it(conn, kind, shown):
    with column_of(conn, kind) as cursor:
        cursor.execute("SELECT x FROM one")
        [info] = cursor.description
        assert info.type_code.name == shown[0]
        if shown[1] is not None:
            assert (info.precision or 0, info.scale) == shown[1:]
        cursor.execute("SELECT data_type FROM all_tab_columns WHERE table_name = 'ONE'")
        [(said,)] = cursor.fetchall()
        assert said.split("(")[0] == kind.split("(")[0] or kind.startswith("INTERVAL")


def test_nanoseconds_are_kept_where_the_type_has_them(conn):
    shown = "2023-11-14 22:13:20.123456789"
    with column_of(conn, "TIMESTAMP(9)") as cursor:
        cursor.execute(f"INSERT INTO one VALUES (TO_TIMESTAMP('{shown}', {FORMAT}))")
        cursor.execute(f"SELECT TO_CHAR(x, {FORMAT}) FROM one")
        assert cursor.fetchone() == (f" {shown}",)


def test_the_driver_itself_cuts_nanoseconds_off(conn):
    """Why the library sends and reads them as text: should this fail, it need not any more."""
    exact = pa.table({"X": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    with column_of(conn, "TIMESTAMP(9)") as cursor:
        cursor.executemany("INSERT INTO one VALUES (:1)", exact)
        cursor.execute(f"SELECT TO_CHAR(x, {FORMAT}) FROM one")
        assert cursor.fetchone() == (" 2023-11-14 22:13:20.123456000",)
        cursor.execute("DELETE FROM one")
        text = "2023-11-14 22:13:20.123456789"
        cursor.execute(f"INSERT INTO one VALUES (TO_TIMESTAMP('{text}', {FORMAT}))")
        schema = pa.schema([("X", pa.timestamp("ns"))])
        back = pa.table(conn.fetch_df_all("SELECT x FROM one", requested_schema=schema))
        assert back.column(0).cast(pa.int64()).to_pylist() == [1_700_000_000_123_456_000]


def test_an_offset_is_kept_and_instants_are_compared(conn):
    with column_of(conn, "TIMESTAMP(6) WITH TIME ZONE") as cursor:
        cursor.execute(
            "INSERT INTO one VALUES (FROM_TZ(TO_TIMESTAMP("
            "'2024-01-01 10:00:00.5', 'SYYYY-MM-DD HH24:MI:SS.FF9'), '-03:30'))"
        )
        cursor.execute(
            "SELECT TO_CHAR(x, 'SYYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM'), SYS_EXTRACT_UTC(x) FROM one"
        )
        shown, instant = cursor.fetchone()
        assert shown == " 2024-01-01 10:00:00.500000000 -03:30"
        assert instant == dt.datetime(2024, 1, 1, 13, 30, 0, 500_000)  # noqa: DTZ001
        cursor.setinputsizes(oracledb.DB_TYPE_TIMESTAMP_TZ)
        same = dt.datetime(2024, 1, 1, 13, 30, 0, 500_000, tzinfo=dt.UTC)
        cursor.execute("SELECT COUNT(*) FROM one WHERE x = :1", [same])
        assert cursor.fetchone() == (1,)


def test_intervals_are_written_as_oracle_writes_them(cursor):
    cursor.execute(
        "SELECT TO_CHAR(TO_DSINTERVAL('-1 02:03:04.5')), TO_CHAR(TO_YMINTERVAL('1-2')) FROM DUAL"
    )
    assert cursor.fetchone() == ("-000000001 02:03:04.500000", "+01-02")


def test_an_empty_text_is_a_null(conn):
    with column_of(conn, "VARCHAR2(5)") as cursor:
        cursor.execute("INSERT INTO one VALUES (:1)", [""])
        cursor.execute("INSERT INTO one VALUES ('')")
        cursor.execute("SELECT COUNT(*) FROM one WHERE x IS NULL")
        assert cursor.fetchone() == (2,)


# -- statements ------------------------------------------------------------------------------------


def test_many_rows_go_and_come_in_several_messages(cursor):
    cursor.arraysize = 700
    cursor.execute("SELECT id, v FROM t ORDER BY id")
    assert cursor.fetchall() == [(i, f"v{i}") for i in range(5000)]


def test_a_cached_statement_is_run_again(cursor):
    for i in range(4):
        cursor.execute("SELECT v FROM t WHERE id = :x", x=i)
        assert cursor.fetchone() == (f"v{i}",)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM t ORDER BY id OFFSET 17 ROWS FETCH NEXT 3 ROWS ONLY",
        (
            "SELECT id FROM (SELECT o.*, ROWNUM AS n FROM (SELECT id FROM t ORDER BY id) o "
            "WHERE ROWNUM <= 20) WHERE n > 17"
        ),
        (
            "SELECT id FROM (SELECT t.*, ROW_NUMBER() OVER (ORDER BY id) AS place FROM t) "
            "WHERE place BETWEEN 18 AND 20"
        ),
    ],
)
def test_windows_hold_the_same_rows(cursor, sql):
    cursor.execute(sql)
    assert sorted(cursor.fetchall()) == [(17,), (18,), (19,)]


def test_refused_rows_are_told_apart(conn, cursor):
    rows = [(9001, "a"), (1, "twice"), (9002, "b"), (None, "null"), (9003, "c" * 30)]
    cursor.executemany("INSERT INTO t (id, v) VALUES (:1, :2)", rows, batcherrors=True)
    told = [(error.offset, error.code) for error in cursor.getbatcherrors()]
    assert told == [(1, 1), (3, 1400), (4, 12899)]
    assert cursor.rowcount == 2
    conn.rollback()


def test_rows_before_a_refused_one_stay_in_the_transaction(conn, cursor):
    insert = "INSERT INTO t (id) VALUES (:1)"
    refused("ORA-00001", cursor.executemany, insert, [(7001,), (7002,), (1,), (7003,)])
    cursor.execute("SELECT COUNT(*) FROM t WHERE id > 7000")
    assert cursor.fetchone() == (2,)
    conn.rollback()


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        ("ORA-00001", "INSERT INTO t (id) VALUES (1)"),
        ("ORA-01400", "INSERT INTO t (id) VALUES (NULL)"),
        ("ORA-01438", "INSERT INTO t (id, np) VALUES (8000, 10000000000)"),
        ("ORA-01407", "UPDATE t SET id = NULL WHERE id = 1"),
        ("ORA-00942", "SELECT * FROM nope"),
        ("ORA-00904", "SELECT nope FROM t"),
        ("ORA-00933", "SELECT * FROM t LIMIT 5"),
        ("ORA-00933", "SELECT * FROM t AS x"),
        ("ORA-00933", "SELECT * FROM t WHERE v ILIKE 'x'"),
        ("ORA-00923", "SELECT 1"),
        ("ORA-01722", "SELECT TO_NUMBER('NaN') FROM DUAL"),
        ("ORA-01426", "SELECT TO_NUMBER('1e126') FROM DUAL"),
        ("ORA-22816", "DELETE FROM t WHERE id = 1 RETURNING v INTO :x"),
    ],
)
def test_what_is_wrong_is_refused_by_its_number(conn, cursor, code, sql):
    binds = {"x": cursor.var(str)} if ":x" in sql else {}
    refused(code, cursor.execute, sql, binds)
    conn.rollback()


def test_a_value_that_is_too_long_is_told_with_its_column(conn, cursor):
    insert = "INSERT INTO t (id, v) VALUES (:1, :2)"
    said = refused("ORA-12899", cursor.execute, insert, [8000, "x" * 21])
    assert 'column "SOURCE"."T"."V" (actual: 21, maximum: 20)' in said
    conn.rollback()


def test_aliases_need_no_as_and_may_have_one(cursor):
    cursor.execute("SELECT id AS a, v AS b FROM t WHERE id = 3")
    assert cursor.fetchall() == [(3, "v3")]


def test_hashes_cut_a_table_into_disjoint_parts(cursor):
    counts = []
    for bucket in range(4):
        cursor.execute("SELECT COUNT(*) FROM t WHERE ORA_HASH(id, 3) = :b", b=bucket)
        counts += cursor.fetchone()
    assert sum(counts) == 5000


def test_a_call_that_takes_too_long_is_broken_off_and_the_session_goes_on(own):
    own.inject("SELECT 7 FROM t", delay=2)
    with connected(own) as connection, connection.cursor() as cursor:
        connection.call_timeout = 300
        refused("DPY-4024", cursor.execute, "SELECT 7 FROM t WHERE id = 1")
        own.clear_faults()
        connection.call_timeout = 0
        cursor.execute("SELECT 8 FROM DUAL")
        assert cursor.fetchone() == (8,)


def test_locks_are_real(own, conn, cursor):
    cursor.execute("UPDATE t SET v = 'held' WHERE id = 2000")
    lock = "SELECT id FROM t WHERE id = 2000 FOR UPDATE"
    with connected(own) as other, other.cursor() as waiting:
        refused("ORA-00054", waiting.execute, f"{lock} NOWAIT")
        refused("ORA-30006", waiting.execute, f"{lock} WAIT 1")
    conn.rollback()


def test_autocommit_commits(own, conn, cursor):
    conn.autocommit = True
    cursor.execute("INSERT INTO t (id) VALUES (30000)")
    with connected(own) as other, other.cursor() as reading:
        reading.execute("SELECT COUNT(*) FROM t WHERE id = 30000")
        assert reading.fetchone() == (1,)
    cursor.execute("DELETE FROM t WHERE id = 30000")


def test_other_ways_to_connect(own):
    login = {"user": "source", "password": own.users["source"], "dsn": own.dsn}
    pool = oracledb.create_pool(**login, min=1, max=3)
    with pool.acquire() as one, pool.acquire() as two:
        assert one.session_id != two.session_id
    pool.close()

    async def count() -> int:
        connection = await oracledb.connect_async(**login)
        async with connection:
            with connection.cursor() as cursor:
                await cursor.execute("SELECT COUNT(*) FROM t")
                (found,) = await cursor.fetchone()
                return int(found)

    assert asyncio.run(count()) == 5000


def test_a_session_knows_its_user(cursor):
    cursor.execute("SELECT USER, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM DUAL")
    assert cursor.fetchone() == ("SOURCE", "SOURCE")


def test_logins_are_proven(own):
    refused("ORA-01017", lambda: oracledb.connect(user="source", password="x", dsn=own.dsn))
    refused("ORA-01017", lambda: oracledb.connect(user="nobody", password="x", dsn=own.dsn))
    elsewhere = own.dsn.replace("standin", "elsewhere")
    wrong = {"user": "source", "password": "tiger", "dsn": elsewhere}
    refused("DPY-6005", lambda: oracledb.connect(**wrong))


# -- reading in parts, as of a state ---------------------------------------------------------------


def test_the_librarys_cutter_gets_row_addresses_that_cover_the_table(conn, cursor):
    cutting = {"task": "task_1", "owner": "SOURCE", "name": "T", "blocks": 5}
    rows = dialect_session.run(conn, "chunks_by_rowid", cutting)
    dialect_session.run(conn, "chunks_by_rowid_done", {"task": "task_1"})
    starts = [start for (start,) in rows]
    assert len(starts) > 2
    counted = 0
    for low, high in zip(starts, [*starts[1:], None], strict=True):
        until = f" AND ROWID < CHARTOROWID('{high}')" if high else ""
        cursor.execute(f"SELECT COUNT(*) FROM t WHERE ROWID >= CHARTOROWID('{low}'){until}")
        counted += cursor.fetchone()[0]
    assert counted == 5000


def test_the_optimizers_estimate_stands_in_the_table_of_plans(conn, cursor):
    cursor.execute("BEGIN DBMS_STATS.GATHER_TABLE_STATS('SOURCE', 'T'); END;")
    cursor.execute("EXPLAIN PLAN SET STATEMENT_ID = 'mine' FOR SELECT * FROM t WHERE id < 1000")
    cursor.execute(
        "SELECT cardinality, cost FROM plan_table WHERE statement_id = 'mine' AND id = 0"
    )
    rows, cost = cursor.fetchone()
    assert rows == pytest.approx(1000, rel=0.2)
    assert cost > 0
    conn.rollback()


def test_statistics_are_told_after_they_are_gathered(cursor):
    cursor.execute("BEGIN DBMS_STATS.GATHER_TABLE_STATS('SOURCE', 'T'); END;")
    cursor.execute(
        "SELECT endpoint_number, endpoint_value FROM all_tab_histograms "
        "WHERE table_name = 'T' AND column_name = 'ID' ORDER BY endpoint_number"
    )
    rows = cursor.fetchall()
    assert len(rows) > 50
    assert rows == sorted(rows, key=lambda row: row[1])
    cursor.execute("SELECT num_rows, stale_stats FROM all_tab_statistics WHERE table_name = 'T'")
    assert cursor.fetchone() == (5000, "NO")


def test_a_state_is_read_while_writers_go_on(own, cursor):
    """Rows move between two halves all the time: only one state has the right sum."""
    stop = threading.Event()

    def write() -> None:
        with connected(own) as writing, writing.cursor() as moving:
            while not stop.is_set():
                moving.execute("UPDATE t SET n = n + 1 WHERE id = 10")
                moving.execute("UPDATE t SET n = n - 1 WHERE id = 4990")
                writing.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(8):
            cursor.execute("SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL")
            (state,) = cursor.fetchone()
            total = Decimal(0)
            for low, high in ((0, 2500), (2500, 5000)):
                cursor.execute(
                    f"SELECT SUM(n) FROM t AS OF SCN {state} WHERE id >= {low} AND id < {high}",
                    fetch_decimals=True,
                )
                total += cursor.fetchone()[0]
            assert total == Decimal(4999 * 5000 // 2) / 8
    finally:
        stop.set()
        writer.join()


def test_a_state_that_nobody_knows_is_too_old(cursor):
    refused("ORA-01555", cursor.execute, "SELECT COUNT(*) FROM t AS OF SCN 5")


# -- rights ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        ("ORA-00942", "SELECT * FROM dba_extents"),
        ("ORA-00942", "SELECT current_scn FROM v$database"),
        ("ORA-00942", "SELECT sid FROM v$session"),
        ("ORA-00904", "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL"),
        ("ORA-01031", "ALTER SYSTEM KILL SESSION '1,1' IMMEDIATE"),
    ],
)
def test_a_plain_user_is_refused(own, code, sql):
    with connected(own, PLAIN) as connection, connection.cursor() as cursor:
        refused(code, cursor.execute, sql)


@pytest.mark.parametrize("use", ["ping", "rollback", "commit", "query"])
def test_a_privileged_user_sees_sessions_by_their_names_and_ends_them(own, cursor, use):
    victim = connected(own, "target")
    victim.client_identifier = "victim:1"
    victim.ping()
    sessions = "SELECT sid, serial#, username FROM v$session WHERE client_identifier = 'victim:1'"
    cursor.execute(sessions)
    [(sid, serial, user)] = cursor.fetchall()
    assert user == "TARGET"
    cursor.execute(f"ALTER SYSTEM KILL SESSION '{sid},{serial}' IMMEDIATE")
    while cursor.execute(sessions).fetchall():
        pass
    with pytest.raises(oracledb.Error, match=r"DPY-4011") as raised:
        victim.cursor().execute("SELECT 1 FROM DUAL") if use == "query" else getattr(victim, use)()
    assert "ORA-00028" in str(raised.value)
    assert not victim.is_healthy()


# -- faults ----------------------------------------------------------------------------------------


def test_an_injected_loss_looks_like_one(own):
    own.inject("WHERE id = 77", drop=True)
    with pytest.raises(oracledb.Error, match="DPY-4011"), connected(own) as connection:
        connection.cursor().execute("SELECT * FROM t WHERE id = 77")


def test_an_injected_error_comes_after_as_many_as_it_was_told(own, cursor):
    own.inject("WHERE id = 78", code=60, after=1)
    query = "SELECT v FROM t WHERE id = 78"
    cursor.execute(query)
    refused("ORA-00060", cursor.execute, query)
    cursor.execute(query)
    assert cursor.fetchone() == ("v78",)


def test_a_stand_in_ends_with_its_block(postgres_server):
    with standin_on(postgres_server) as running:
        assert connected(running).is_healthy()
    with pytest.raises(oracledb.Error):
        connected(running)


def test_users_may_be_named_at_will(postgres_server):
    url = postgres_server.url().replace("+psycopg2", "")
    with running_standin(url, {"anna": "a b'c"}) as running:
        assert connected(running, "anna").username == "anna"
