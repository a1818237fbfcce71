"""A ledger in an Oracle database whose character set lacks characters: it keeps another in none's
place. The stand-in's character set is what its trigger at logon says it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import oracledb
import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor, reject
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.ledger.runs import RunLedger

ODD = "€ → ∞ ü 日本 🙂 <U+20AC>"
SETS = {"WE8MSWIN1252": "cp1252", "WE8ISO8859P15": "iso8859_15", "JA16EUC": "ascii"}
Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def run(standin) -> Iterator[Run]:
    def statements(*texts: str) -> list[tuple[Any, ...]]:
        made = sa.make_url(standin.url("target"))
        dsn = f"{made.host}:{made.port}/{made.query['service_name']}"
        conn = oracledb.connect(user=made.username, password=made.password, dsn=dsn)
        with conn, conn.cursor() as cursor:
            for text in texts:
                cursor.execute(text, fetch_lobs=False)
            rows = list(cursor.fetchall()) if cursor.description else []
            conn.commit()
            return rows

    def forget() -> None:
        dispose_engines()
        for table in ("LOGON_SETTINGS", "D", "S"):
            with contextlib.suppress(oracledb.DatabaseError):  # it is not there
                statements(f"DROP TABLE {table}")

    forget()
    yield statements
    forget()
    for table in ("MAPPER_DASK_REJECT", "MAPPER_DASK_CHUNK", "MAPPER_DASK_RUN"):
        with contextlib.suppress(oracledb.DatabaseError):
            statements(f"DROP TABLE {table}")


@pytest.fixture(params=sorted(SETS))
def codec(run: Run, request: pytest.FixtureRequest) -> str:
    run(
        "CREATE TABLE logon_settings (name VARCHAR2(64), value VARCHAR2(64))",
        f"INSERT INTO logon_settings VALUES ('NLS_CHARACTERSET', '{request.param}')",
        "CREATE TABLE s (id NUMBER(9) PRIMARY KEY, carrier VARCHAR2(99))",
        *(f"INSERT INTO s VALUES ({n}, '{ODD if n == 3 else 'AA'}')" for n in range(10)),
        "CREATE TABLE d (id NUMBER(9) CHECK (id <> 5), carrier VARCHAR2(99))",
    )
    return SETS[request.param]


def test_errors_queries_and_rows_are_kept_in_what_it_holds(standin, run: Run, codec: str) -> None:
    url, run_id = standin.url("target"), f"r {ODD}"

    def marks(frame: pd.DataFrame) -> pd.DataFrame:
        return reject(frame, frame["id"] == 3, f"no {ODD}")

    job = MapperJob(
        source_conn=url, source_sql=f"SELECT id, carrier FROM s WHERE carrier <> '{ODD}!'",
        target_conn=url, target_table="D", chunk_size=4, run_id=run_id, reject_limit=0,
        on_error="continue",
    )  # fmt: skip
    processor = ParallelProcessor(enable_parallel=False)
    result = processor.run(job)
    known = RunLedger(reference(url), run_id).chunks()
    assert [c.error for _, c in known if c.error] == [
        c.error for c in result.chunk_results if c.error
    ]
    assert any("∞" in chunk.bounds for _, chunk in known)

    marked = job.evolve(run_id=f"{run_id} 2", reject_limit=3, transformation_logic=marks)
    processor.run(marked).raise_for_status()
    aside = processor.rejects(f"{run_id} 2", target_conn=url)
    assert f"no {ODD}" in list(aside["reason"])
    assert ODD in [row["carrier"] for row in aside["row"]]

    stored = run("SELECT run_id, plan FROM mapper_dask_run")
    stored += run("SELECT reason, row_json FROM mapper_dask_reject")
    stored += run("SELECT bounds, error FROM mapper_dask_chunk")
    for value in (v for row in stored for v in row):
        str(value).encode(codec)
