"""More than a hundred mistakes, each with the message of each in ``mistakes.txt``."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
import sqlalchemy as sa

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from tests.database import Databases, Server, fresh_databases
from tests.integration.mistakes import (
    of_command_line,
    of_connections,
    of_flows,
    of_functions,
    of_job,
    of_job_files,
    of_params,
    of_source_sql,
    of_target,
)
from tests.integration.mistakes.book import (
    BASE,
    PASSWORD,
    SOURCE,
    TARGET,
    Mistake,
    Shop,
    Told,
    page,
    section,
)

GOLDEN = Path(__file__).parent / "mistakes.txt"

WRITE = os.environ.get("MAPPER_DASK_WRITE_MISTAKES") == "1"
"""Whether the golden file is written, as ``make mistakes`` does, in place of being compared."""

CHAPTERS = {
    "source_conn, target_conn": of_connections.MISTAKES,
    "source_sql": of_source_sql.MISTAKES,
    "params": of_params.MISTAKES,
    "transformation_logic": of_functions.MISTAKES,
    "target_table, target_schema": of_target.MISTAKES,
    "how rows are cut, and how they enter the target": of_job.MISTAKES,
    "flows, what is new, runs begun before": of_flows.MISTAKES,
    "job files": of_job_files.MISTAKES,
    "the command line": of_command_line.MISTAKES,
}

MISTAKES = [
    pytest.param(mistake, id=f"{chapter.partition(',')[0]}: {mistake.title}")
    for chapter, mistakes in CHAPTERS.items()
    for mistake in mistakes
]


@pytest.fixture(scope="module")
def shop(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    reader = f"mapper_dask_reader_{uuid.uuid4().hex[:8]}"
    with fresh_databases(postgres_server) as databases:
        databases.source.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'")
        try:
            databases.source.execute(SOURCE)
            databases.source.execute(f"GRANT USAGE ON SCHEMA hidden TO {reader}")
            databases.target.execute(TARGET)
            with_a_ledger(databases)
            yield Shop(databases, tmp_path_factory.mktemp("work"), reader)
        finally:
            dispose_engines()
            databases.source.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


def with_a_ledger(databases: Databases) -> None:
    """Let a run stand there that moved nothing: what is told must not hang on the tests before."""
    urls = {"source_conn": databases.source.url, "target_conn": databases.target.url}
    nothing = f"{BASE['source_sql']} WHERE id < 0"
    processor = ParallelProcessor(enable_parallel=False, progress=False)
    processor.run(MapperJob(**{**BASE, **urls, "source_sql": nothing}))


def with_password(url: str) -> str:
    return sa.make_url(url).set(password=PASSWORD).render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def _environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("SOURCE", "TARGET", "PROD"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOURCE", with_password(shop.databases.source.url))
    monkeypatch.setenv("TARGET", with_password(shop.databases.target.url))
    monkeypatch.setenv("COLUMNS", "2000")  # the golden file breaks lines itself
    monkeypatch.chdir(shop.folder)
    with dask.config.set({"mapper-dask.profiles.warehouse.url": "env:TARGET"}):
        yield


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """What was told; in the end it is written, where that is asked for."""
    found = Told()
    yield found
    if WRITE:
        GOLDEN.write_text(page(CHAPTERS, found.messages), encoding="utf-8")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_field_and_its_remedy(
    shop: Shop, told: Told, mistake: Mistake
) -> None:
    message = shop.told(mistake.make(shop))
    told.messages[id(mistake)] = message
    assert_nothing_moved(shop)
    assert PASSWORD not in message
    if WRITE:
        return
    assert section(mistake, message) in GOLDEN.read_text(encoding="utf-8")
    assert mistake.field in message, message
    assert re.search(mistake.remedy, message), (mistake.remedy, message)


def assert_nothing_moved(shop: Shop) -> None:
    target = shop.databases.target
    for table in ("customers", "heap", "orders", "mart.customers"):
        assert target.fetch(f"SELECT count(*) FROM {table}") == [(0,)], table
    ledger = target.fetch("SELECT to_regclass('mapper_dask_run')")
    if ledger != [(None,)]:
        running = "SELECT run_id FROM mapper_dask_run WHERE state = 'RUNNING'"
        assert target.fetch(running) == []


def test_the_golden_file_holds_each_mistake_once_and_nothing_else() -> None:
    if WRITE:
        return  # it is written when all are made
    text = GOLDEN.read_text(encoding="utf-8")
    titles = re.findall(r"^  (\S.*)$", text, re.MULTILINE)
    assert titles == [mistake.title for mistakes in CHAPTERS.values() for mistake in mistakes]
    assert PASSWORD not in text
