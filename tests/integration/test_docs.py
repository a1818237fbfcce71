"""Every block of code in the README and in docs/ runs as it stands, page by page."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import docs
from tests.database import Database, Databases, Server, fresh_databases
from tests.docs import Block, Reader
from tests.scripts import ROOT

PAGES = {str(page.relative_to(ROOT)): page for page in docs.pages()}
LEAST_PRIVILEGE = [
    ROOT / "tests" / "integration" / f"test_{name}.py"
    for name in ("least_privilege", "flow_privileges")
]
"""Run the SQL of docs/privileges.md, which they find by its comments."""
ALONE = os.environ.get("MAPPER_DASK_TEST_PAGES") == "alone"
"""Whether each page of the guide finds the databases as its first page left them."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def runs_elsewhere(block: Block) -> bool:
    return block.page.name == "privileges.md" and block.language == "sql"


def name_of(database: Database) -> str:
    return str(sa.make_url(database.url).database)


@pytest.fixture(scope="module")
def stocked(
    postgres_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    """One database with the tables of the pages in docs/, made as the guide says, twice."""
    with fresh_databases(postgres_server) as fresh:
        one = Databases(fresh.source, fresh.source)
        for _ in range(2):
            Reader(tmp_path_factory.mktemp("setup"), one, free_port()).follow(docs.setup())
        yield one


@pytest.fixture
def databases_of_a_page(postgres_server: Server, stocked: Databases) -> Iterator[Databases]:
    """The database that all pages before have worked on, or one that none has."""
    if not ALONE:
        yield stocked
        return
    admin = Database(postgres_server.url())
    with fresh_databases(postgres_server) as fresh:
        for empty in fresh:
            admin.execute(f'DROP DATABASE "{name_of(empty)}"')
            full = name_of(stocked.source)
            admin.execute(f'CREATE DATABASE "{name_of(empty)}" TEMPLATE "{full}"')
        yield fresh


@pytest.fixture
def reader(databases_of_a_page: Databases, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who follows the guide from its first page on, each in a folder of its own."""
    reader = Reader(tmp_path, databases_of_a_page, free_port())
    yield reader
    assert not reader.leave(), "a page that starts something ends it, too"


@pytest.fixture
def starter(postgres_server: Server, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who begins with nothing but one empty database."""
    with fresh_databases(postgres_server) as fresh:
        starter = Reader(tmp_path, Databases(fresh.source, fresh.source), free_port())
        yield starter
        left = starter.leave()
    assert not left


@pytest.mark.slow
def test_the_readme_runs_in_its_order_and_again(starter: Reader) -> None:
    """What its examples promise is shown, by the second time too, in the same database."""
    for _ in range(2):
        follow("README.md", starter)


@pytest.mark.slow
def test_the_guide_begins_with_nothing(starter: Reader) -> None:
    follow("docs/README.md", starter)


@pytest.mark.slow
@pytest.mark.parametrize("name", docs.in_order())
def test_every_block_runs_behind_the_pages_before(name: str, reader: Reader) -> None:
    follow(name, reader)


def follow(name: str, reader: Reader) -> None:
    found = [block for block in docs.blocks(PAGES[name]) if not runs_elsewhere(block)]
    before = len(reader.ran)
    for block in found:
        reader.follow(block)
    assert len(reader.ran) - before == docs.shares_of(found)["run"]


@pytest.mark.parametrize("name", PAGES)
def test_no_block_escapes(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    found = docs.blocks(PAGES[name])
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found)
    assert not re.findall(r"^(?: {4}|\t)(?! *[-*\d])", docs.FENCE.sub("", text), re.MULTILINE), (
        "code that is indented would not be found; fence it"
    )
    shown = r"((^|; )shows: [^|;]+( \| [^|;]+)*)?"
    known = re.compile(rf"|run first|not run: .{{8,}}|(exit \d+)?{shown}|on (source|target)")
    for block in found:
        assert runs_elsewhere(block) or known.fullmatch(block.mark), f"{block}: {block.mark}"


def test_most_blocks_run() -> None:
    shares = docs.shares_of([block for page in PAGES.values() for block in docs.blocks(page)])
    assert shares["run"] >= 50
    assert shares["not run"] <= shares["run"] / 4


def test_the_sql_of_privileges_runs_elsewhere() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in LEAST_PRIVILEGE)
    for block in filter(runs_elsewhere, docs.blocks(PAGES["docs/privileges.md"])):
        assert f'"{re.split(r"[:,]", block.mark)[0]}"' in tests, block


@pytest.mark.parametrize("name", PAGES)
def test_commands_in_the_text_exist(name: str) -> None:
    for command in docs.commands(PAGES[name]):
        docs.check_command(command)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGES[name]
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{name}: {link}"
            assert not anchor or anchor in anchors(target), f"{name}: {link}"


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", docs.FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_examples_of_the_readme_promise_what_is_shown() -> None:
    """A merge that merges rows, rejects that are there: each example, but for those of one line."""
    found = [block for block in docs.blocks(PAGES["README.md"]) if block.not_run is None]
    silent = [str(b) for b in found if not (b.shows or b.file or b.mark == "run first")]
    assert silent == []


def test_every_page_is_in_the_index() -> None:
    index = PAGES["docs/README.md"].read_text(encoding="utf-8")
    missing = [p.name for p in PAGES.values() if p.parent.name == "docs" and p.name not in index]
    assert missing == []
