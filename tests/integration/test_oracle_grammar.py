"""The gate against what no Oracle would run refuses what is planted, and takes what is right."""

from __future__ import annotations

import json

import pytest

from tests.oracle_standin import gate
from tests.oracle_standin.npm import NoPackageError
from tests.required import missing


@pytest.fixture(autouse=True)
def _grammar():
    try:
        gate.first_errors(["SELECT 1 FROM DUAL"])
    except NoPackageError as error:
        missing("grammar", str(error))


PLANTED = [
    "SELECT * FROM t LIMIT 10",
    "SELECT 1::int FROM dual",
    "SELECT * FROM t AS x",
    "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING",
    "SELECT DISTINCT ON (a) a FROM t",
    "SELECT * FROM t WHERE a ILIKE 'x'",
    "DROP TABLE IF EXISTS t",
    "SELECT count(*) FILTER (WHERE a > 1) FROM t",
]
RIGHT = [
    'SELECT q."ID" AS "ID" FROM (\nSELECT * FROM t\n) q WHERE q."ID" >= TO_NUMBER(\'5\')',
    "SELECT * FROM t AS OF SCN 5 x WHERE ROWID >= CHARTOROWID('AAA')",
    "SELECT * FROM (SELECT o.*, ROWNUM AS n FROM (SELECT * FROM t ORDER BY a) o) WHERE n > 5",
    "SELECT a FROM t FOR UPDATE WAIT 5",
    "MERGE INTO t USING u s ON (t.a = s.a) WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
    "LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE",
    "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL",
]


@pytest.mark.parametrize("statement", PLANTED)
def test_what_is_postgresqls_is_refused(statement):
    assert gate.first_errors([statement])[0] is not None


def test_what_is_oracles_is_taken():
    assert gate.first_errors(RIGHT) == [None] * len(RIGHT)


def test_a_planted_statement_in_the_journal_is_found(tmp_path):
    journal = tmp_path / "journal"
    lines = [(RIGHT[0], "ok"), (PLANTED[0], "ok"), (PLANTED[1], "ORA-00933")]
    journal.write_text("".join(json.dumps({"statement": s, "outcome": o}) + "\n" for s, o in lines))
    assert [found.splitlines()[1] for found in gate.unexplained(journal)] == [PLANTED[0]]


def test_tables_and_values_do_not_make_statements_new():
    one = "SELECT 1 FROM mdt_0123456789ab WHERE a = 5"
    assert gate.shape(one) == gate.shape(one.replace("mdt_0123456789ab", "mdt_ba9876543210"))
