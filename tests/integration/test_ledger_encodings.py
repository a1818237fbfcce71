"""A ledger in a database that cannot hold every character: it loses none, and hides no error."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pandas as pd
import psycopg2
import pytest
import sqlalchemy as sa

from mapper_dask import ExecutionEngine, Flow, FlowJob, MapperJob, ParallelProcessor, reject
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.dialects.postgresql.encodings import CODECS, UNLIKE
from mapper_dask.flow import JobState
from mapper_dask.flows.execution_engine import stored_flow
from mapper_dask.ledger.runs import RunLedger
from tests.database import Database, Server

BLOCK = 0x80
ENCODINGS = ("LATIN1", "WIN1252", "EUC_JP", "EUC_KR", "SQL_ASCII", "UTF8")
ODD = "€ → ∞ ü 日本 🙂 <U+20AC>"

ROWS = f"""
CREATE TABLE "Flüge" (id int PRIMARY KEY, carrier text);
INSERT INTO "Flüge" SELECT i, CASE i WHEN 3 THEN '{ODD}' ELSE 'AA' END FROM generate_series(0, 9) i;
"""
QUERY = f"""SELECT id, carrier FROM "Flüge" /* {ODD} */ WHERE carrier <> '{ODD}!' ORDER BY id"""


def run(url: str, sql: str) -> list[tuple[Any, ...]]:
    conn = psycopg2.connect(url.replace("+psycopg2", ""), client_encoding="UTF8")
    with contextlib.closing(conn), conn, conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def made(postgres_server: Server) -> Iterator[dict[str, Database]]:
    """A database in each encoding."""
    admin, there = Database(postgres_server.url()), {}
    for encoding in (*ENCODINGS, "source"):
        name = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
        kind = "UTF8" if encoding == "source" else encoding
        admin.execute(f"CREATE DATABASE \"{name}\" ENCODING '{kind}' LOCALE 'C' TEMPLATE template0")
        there[encoding] = Database(postgres_server.url(name))
    run(there["source"].url, ROWS)
    yield there
    dispose_engines()
    for database in there.values():
        admin.execute(f'DROP DATABASE "{sa.make_url(database.url).database}" WITH (FORCE)')


@pytest.fixture(params=ENCODINGS)
def target(request: pytest.FixtureRequest, made: dict[str, Database]) -> Iterator[str]:
    url = made[request.param].url
    run(url, "CREATE TABLE d (id int CHECK (id <> 5), carrier text)")
    yield url
    dispose_engines()
    tables = "d, mapper_dask_reject, mapper_dask_chunk, mapper_dask_run"
    run(url, f"DROP TABLE {tables}")
    run(url, "DROP TABLE IF EXISTS mapper_dask_flow_job, mapper_dask_flow")


@pytest.fixture
def source(made: dict[str, Database]) -> str:
    return made["source"].url


def holds(target: str, text: str) -> bool:
    """Return whether the target's encoding has a text."""
    try:
        run(target, f"SELECT '{text}'")
    except psycopg2.Error:
        return False
    return True


def job(source: str, target: str, **options: Any) -> MapperJob:
    return MapperJob(
        **{"source_conn": source, "source_sql": QUERY, "target_conn": target,
           "target_table": "d", "chunk_size": 4, **options},
    )  # fmt: skip


def processor() -> ParallelProcessor:
    return ParallelProcessor(enable_parallel=False)


@pytest.mark.parametrize("run_id", ["r", ODD])
def test_a_failed_chunk_tells_its_own_error(source: str, target: str, run_id: str) -> None:
    sql = "SELECT id, 'AA' AS carrier FROM \"Flüge\" -- " + ODD
    result = processor().run(job(source, target, source_sql=sql, run_id=run_id))

    assert "violates check constraint" in str(result.errors[0])
    known = RunLedger(reference(target), run_id).chunks()
    noted = [chunk.error for _, chunk in known if chunk.error]
    assert noted == [chunk.error for chunk in result.chunk_results if chunk.error]
    assert noted
    assert not any("not noted" in str(error) for error in noted)

    run(target, "ALTER TABLE d DROP CONSTRAINT d_id_check")
    done = processor().resume(run_id, target_conn=target, source_conn=source)
    done.raise_for_status()
    assert run(target, "SELECT count(*), count(DISTINCT id) FROM d") == [(10, 10)]


def test_a_flow_tells_the_error_of_its_job(source: str, target: str) -> None:
    name, sql = f"jöb {ODD}", "SELECT id, 'AA' AS carrier FROM \"Flüge\" -- " + ODD
    flow = Flow(
        name=f"flow {ODD}", run_id=f"f {ODD}", document=f"name: {ODD}", directory=f"/{ODD}",
        jobs=[FlowJob(name=name, job=job(source, target, source_sql=sql, chunk_size=100))],
    )  # fmt: skip
    engine = ExecutionEngine(1, progress=False)

    result = engine.run(flow)

    [failed] = result.jobs
    assert failed.state is JobState.FAILED
    assert "∞" in str(failed.error)
    assert "violates check constraint" in str(failed.error)
    [stored] = engine.status(flow.run_id, ledger_conn=target).jobs
    assert (stored.name, stored.state, stored.error) == (name, JobState.FAILED, failed.error)
    kept = stored_flow(flow.run_id, ledger_conn=target)
    assert (kept.name, kept.document, kept.directory) == (flow.name, flow.document, flow.directory)

    run(target, "ALTER TABLE d DROP CONSTRAINT d_id_check")
    engine.resume(flow.run_id, ledger_conn=target, flow=flow).raise_for_status()
    assert run(target, "SELECT count(*), count(DISTINCT id) FROM d") == [(10, 10)]


class Strict:
    """A function that marks, or stumbles over, the row of other characters."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        odd = frame["carrier"].str.contains("€")
        if self.how == "marks":
            return reject(frame, odd, f"no {ODD}")
        if self.how == "raises" and odd.any():
            message = f"no {ODD}"
            raise ValueError(message)
        return frame.assign(carrier="AA") if self.how == "mends" else frame


@pytest.mark.parametrize("publish", ["append", "replace"])
@pytest.mark.parametrize("how", ["cannot encode", "marks", "raises"])
def test_a_row_of_other_characters_is_set_aside_whole(
    source: str, target: str, how: str, publish: str
) -> None:
    run(target, "ALTER TABLE d DROP CONSTRAINT d_id_check")
    if how == "cannot encode" and holds(target, ODD):
        run(target, "ALTER TABLE d ADD CHECK (carrier = 'AA')")
    first = job(
        source, target, run_id="r", reject_limit=3, write_disposition=publish,
        transformation_logic=Strict(how), key_column="id",
    )  # fmt: skip

    result = processor().run(first)

    result.raise_for_status()
    assert run(target, "SELECT count(*), count(DISTINCT id) FROM d") == [(9, 9)]
    aside = processor().rejects("r", target_conn=target)
    assert [row["carrier"] for row in aside["row"]] == [ODD]
    assert list(aside["key"]) == [{"id": 3}]
    if how != "cannot encode":
        assert f"no {ODD}" in aside["reason"][0]

    if publish == "append":
        mends = how != "cannot encode" or holds(target, ODD)
        run(target, "ALTER TABLE d DROP CONSTRAINT IF EXISTS d_carrier_check")
        retried = processor().retry_rejects(
            "r", target_conn=target, source_conn=source, transformation_logic=Strict("mends")
        )
        assert (retried.loaded, retried.rejected) == ((1, 0) if mends else (0, 1))
        assert run(target, "SELECT count(*), count(DISTINCT id) FROM d") == [(9 + mends,) * 2]
        still = processor().rejects("r", target_conn=target)
        assert [row["carrier"] for row in still["row"]] == ([] if mends else [ODD])


def test_bounds_of_keys_come_back_exactly(source: str, target: str) -> None:
    run(
        target,
        "ALTER TABLE d DROP CONSTRAINT d_id_check; ALTER TABLE d ADD CHECK (id < 0) NOT VALID",
    )
    letters = ODD.replace(" ", "")
    sql = f"SELECT i AS id, substr('{letters}', i, 1) || i AS carrier FROM generate_series(1, 9) i"
    first = job(
        source, target, source_sql=f"SELECT id, 'x' AS carrier, carrier AS k FROM ({sql}) q",
        key_column="k", chunk_size=2, columns=["id", "carrier"], on_error="continue", run_id="r",
    )  # fmt: skip
    assert processor().run(first).chunks_failed
    run(target, "ALTER TABLE d DROP CONSTRAINT d_id_check")

    processor().run(first).raise_for_status()

    assert run(target, "SELECT count(*), count(DISTINCT id) FROM d") == [(9, 9)]


@pytest.mark.parametrize("encoding", sorted(CODECS))
def test_python_and_the_server_agree_on_an_encodings_characters(
    made: dict[str, Database], encoding: str
) -> None:
    known = _encoded(CODECS[encoding])
    usable = [c for c in known if c not in UNLIKE.get(encoding, frozenset())]
    conn = psycopg2.connect(made["UTF8"].url.replace("+psycopg2", ""), client_encoding="UTF8")
    with contextlib.closing(conn), conn.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM unnest(%s::text[]) c "
            "WHERE convert_from(convert_to(c, %s), %s) = c",
            (usable, encoding, encoding),
        )
        assert cursor.fetchall() == [(len(usable),)]


def _encoded(codec: str) -> list[str]:
    """Return the characters that a codec has; a block of which it has none is asked once."""
    blocks = (range(first, first + BLOCK) for first in range(BLOCK, 0x110000, BLOCK))
    return [
        chr(n)
        for block in blocks
        if "".join(map(chr, block)).encode(codec, "ignore")
        for n in block
        if _encodes(codec, n)
    ]


def _encodes(codec: str, number: int) -> bool:
    try:
        chr(number).encode(codec)
    except UnicodeEncodeError:
        return False
    return True
