"""Drivers of other languages talk to the stand-in unmodified: JavaScript's, and one in Go."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracle import standin_on
from tests.oracle_standin import clients
from tests.required import missing

SECONDS = 120

GO = """
import json, sys
import adbc_driver_oracle.dbapi as dbapi
with dbapi.connect(sys.argv[1]) as connection:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE smoke_go (id NUMBER(10), n NUMBER(12,2), v VARCHAR2(20))")
        cursor.execute("INSERT INTO smoke_go (id, n, v) VALUES (1, 0.5, 'grün')")
        cursor.execute("INSERT INTO smoke_go (id, n, v) VALUES (2, NULL, NULL)")
    connection.commit()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, n, v FROM smoke_go ORDER BY id")
        rows = [[None if v is None else str(v) for v in row] for row in cursor.fetchall()]
        try:
            cursor.execute("SELECT * FROM no_such_table")
            refused = None
        except Exception as error:
            refused = "942" in str(error)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE smoke_go PURGE")
print(json.dumps({"rows": rows, "refused": refused}))
"""


@pytest.fixture(scope="module")
def own(postgres_server):
    with standin_on(postgres_server) as running:
        yield running


def said(command: list[str], folder: Path | None = None) -> dict[str, object]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_javascripts_driver_inserts_reads_and_is_refused(own):
    try:
        folder = clients.installed()
    except clients.NoClientError as error:
        missing("javascript", str(error))
    answer = said(["node", "smoke.js", own.dsn, "source", own.users["source"]], folder)
    assert answer == {
        "inserted": 2,
        "rows": [[1, 0.5, "grün", "2024-02-29 13:14:15", 50_000], [2, None, None, None, 0]],
        "refused": 942,
    }


def test_a_driver_written_in_go_inserts_reads_and_is_refused(own):
    pytest.importorskip("adbc_driver_oracle", reason="NO GO DRIVER: adbc-driver-oracle")
    url = f"oracle://source:{own.users['source']}@{own.dsn}"
    answer = said([sys.executable, "-c", GO, url])
    assert answer == {"rows": [["1", "0.50", "grün"], ["2", None, None]], "refused": True}


def test_what_it_takes_is_told_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(clients.NoClientError, match="node"):
        clients.installed()
