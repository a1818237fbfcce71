"""A value that is a secret stays a reference: in plan, ledger, task, log and error."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from mapper_dask import ChunkManager, MapperJob, ParallelProcessor
from mapper_dask.cli.app import main
from mapper_dask.connections.param_references import Opened, mark, opened
from mapper_dask.errors import ConfigurationError, MapperError
from mapper_dask.plan.params import with_values
from tests.database import Databases

SECRETS = ("tok3n-of-nobody", 'o\'brien \\ "x" $1 %s :y --', "' OR '", "id", "<env:TOKEN>", "''''")


@pytest.fixture
def shop(databases: Databases) -> Databases:
    databases.source.execute("CREATE TABLE s (id int PRIMARY KEY, owner text)")
    databases.target.execute("CREATE TABLE d (id int, owner text)")
    return databases


def filled(shop: Databases, token: str, monkeypatch: pytest.MonkeyPatch) -> MapperJob:
    """Let half of the rows be the secret's, and return a job that reads these."""
    monkeypatch.setenv("TOKEN", token)
    shop.source.execute(
        "INSERT INTO s SELECT g, CASE WHEN g % 2 = 0 THEN %s END FROM generate_series(1, 400) g"
        .replace("g % 2", "g %% 2"), token,
    )  # fmt: skip
    return MapperJob(
        source_conn=shop.source.url,
        source_sql="SELECT id, 'x' AS owner FROM s WHERE owner = :token AND id <> :not",
        params={"token": "env:TOKEN", "not": 3},
        target_conn=shop.target.url,
        target_table="d",
        chunk_size=50,
        run_id="r",
    )


def everything_kept(shop: Databases) -> str:
    rows = [shop.target.fetch(f"SELECT t::text FROM {name} t") for name in (
        "mapper_dask_run", "mapper_dask_chunk", "mapper_dask_reject")]  # fmt: skip
    return repr(rows)


@pytest.mark.parametrize("token", SECRETS)
@pytest.mark.parametrize("strategy", ["KEY_BASED", "ROWID_BASED", "OFFSET_LIMIT"])
def test_the_value_is_read_by_and_told_to_nobody(
    shop: Databases, token: str, strategy: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, tmp_path: Path,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    job = filled(shop, token, monkeypatch).evolve(strategy=strategy)
    plan = ChunkManager().plan(job)
    plan.save(tmp_path / "plan.json")
    processor = ParallelProcessor(enable_parallel=False)
    look = job.evolve(run_id="looked at", strategy="KEY_BASED")
    prepared = processor.prepare(look)[1]
    result = processor.run(job, plan=tmp_path / "plan.json").raise_for_status()

    assert result.total_rows_successful == 200
    assert result.chunks_total > 1 or strategy == "ROWID_BASED"
    if token in ("id", "<env:TOKEN>", "''''", "' OR '"):
        return  # what stands in our own texts, too
    kept = [
        *(str(plan), repr(plan), plan._repr_html_(), json.dumps(plan.to_json())),
        *((tmp_path / "plan.json").read_text(), everything_kept(shop), caplog.text),
        *(repr(job), repr(result), str(result), repr(prepared.task)),
    ]
    for text in kept:
        assert token not in text
        assert json.dumps(token)[1:-1] not in text
        assert token.replace("'", "''") not in text
    assert token.encode() not in cloudpickle.dumps(prepared.task)
    assert "<mapper_dask env:TOKEN>" in str(plan)
    assert "<mapper_dask env:TOKEN>" in everything_kept(shop)


def test_workers_look_it_up_themselves(shop: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    job = filled(shop, SECRETS[1], monkeypatch)
    result = ParallelProcessor(max_workers=2).run(job).raise_for_status()
    assert result.total_rows_successful == 200


def test_a_run_goes_on_with_another_value_and_not_without_one(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = filled(shop, "first", monkeypatch)
    shop.target.execute("ALTER TABLE d ADD CHECK (id <> 400)")
    processor = ParallelProcessor(enable_parallel=False, retries=1)
    assert not processor.run(job.evolve(on_error="continue")).succeeded
    shop.target.execute("ALTER TABLE d DROP CONSTRAINT d_id_check")
    shop.source.execute("UPDATE s SET owner = 'second' WHERE owner IS NOT NULL")
    monkeypatch.delenv("TOKEN")
    with pytest.raises(ConfigurationError, match="TOKEN is not set"):
        processor.resume("r", target_conn=shop.target.url, source_conn=shop.source.url)
    monkeypatch.setenv("TOKEN", "second")
    done = processor.resume("r", target_conn=shop.target.url, source_conn=shop.source.url)
    assert done.raise_for_status().total_rows_successful == 200
    counted = processor.reconcile("r", target_conn=shop.target.url, source_conn=shop.source.url)
    assert counted.matches


def test_an_error_of_the_database_does_not_quote_it(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = filled(shop, "tok3n-of-nobody", monkeypatch)
    with pytest.raises(MapperError) as caught:
        ChunkManager().plan(
            job.evolve(source_sql="SELECT id FROM s WHERE id = :token OR id = :not")
        )
    assert "tok3n" not in repr(caught.value)
    assert "<env:TOKEN>" in str(caught.value)


def test_a_value_that_looks_like_a_place_of_a_reference_is_refused(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = filled(shop, "x", monkeypatch)
    with pytest.raises(ConfigurationError, match="marks the value of a reference"):
        ChunkManager().plan(job.evolve(params={"token": "<mapper_dask env:HOME>", "not": 3}))
    monkeypatch.setenv("TOKEN", "<mapper_dask env:HOME>")
    with pytest.raises(ConfigurationError, match="TOKEN"):
        ChunkManager().plan(job)


@pytest.mark.parametrize("token", SECRETS)
def test_what_was_hidden_comes_back_as_it_was(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", token)

    def literal(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    sql = with_values(
        "SELECT 'a' OR 'b', id, '' FROM t WHERE x IN :x",
        {"x": ["env:TOKEN", "y"]},
        "postgres",
        literal,
    )
    made: Opened = opened(sql, literal)
    assert made.sql == sql.replace(mark("env:TOKEN"), literal(token))
    assert opened(made.sealed(made.sql), literal).sql == made.sql


FILE = """
version: 1
jobs:
  d:
    source:
      connection: env:SOURCE
      sql: SELECT id, 'x' AS owner FROM s WHERE owner = :token
      params: {token: env:TOKEN}
      incremental: {column: id}
    target: {connection: env:TARGET, table: d}
"""


def test_a_flow_reads_its_windows_with_it(
    shop: Databases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    filled(shop, "tok3n-of-nobody", monkeypatch)
    monkeypatch.setenv("SOURCE", shop.source.url)
    monkeypatch.setenv("TARGET", shop.target.url)
    file = tmp_path / "d.yaml"
    file.write_text(FILE)
    for run_id in ("one", "two", "one"):
        assert main(["run", str(file), "--run-id", run_id, "--json"]) == 0
    assert main(["plan", str(file), "-o", str(tmp_path / "plan")]) == 0
    assert main(["report", "one", "--ledger", "env:TARGET", "-o", str(tmp_path / "page")]) == 0
    assert shop.target.fetch("SELECT count(*) FROM d") == [(200,)]
    kept = [everything_kept(shop), capsys.readouterr().out, (tmp_path / "plan").read_text()]
    assert not [text for text in [*kept, (tmp_path / "page").read_text()] if "tok3n" in text]
