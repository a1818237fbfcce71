"""Every block of code in the README and in docs/ runs as it stands, page by page."""

from __future__ import annotations

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
    """Databases with the tables of the pages in docs/, made as the guide says."""
    with fresh_databases(postgres_server) as fresh:
        Reader(tmp_path_factory.mktemp("setup"), fresh, free_port()).follow(docs.setup())
        yield fresh


@pytest.fixture
def reader(postgres_server: Server, stocked: Databases, tmp_path: Path) -> Iterator[Reader]:
    admin = Database(postgres_server.url())
    with fresh_databases(postgres_server) as fresh:
        for empty, full in zip(fresh, stocked, strict=True):
            admin.execute(f'DROP DATABASE "{name_of(empty)}"')
            admin.execute(f'CREATE DATABASE "{name_of(empty)}" TEMPLATE "{name_of(full)}"')
        reader = Reader(tmp_path, fresh, free_port())
        yield reader
        left = reader.leave()
    assert not left, "a page that starts something ends it, too"


@pytest.fixture
def starter(postgres_server: Server, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who begins with nothing but one empty database."""
    with fresh_databases(postgres_server) as fresh:
        starter = Reader(tmp_path, Databases(fresh.source, fresh.source), free_port())
        yield starter
        left = starter.leave()
    assert not left


FIRST = ("README.md", "docs/README.md")
"""Pages that make their tables themselves."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_every_block_runs_from_the_start(name: str, starter: Reader) -> None:
    follow(name, starter)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PAGES if name not in FIRST])
def test_every_block_runs(name: str, reader: Reader) -> None:
    follow(name, reader)


def follow(name: str, reader: Reader) -> None:
    found = [block for block in docs.blocks(PAGES[name]) if not runs_elsewhere(block)]
    for block in found:
        reader.follow(block)
    assert len(reader.ran) == docs.shares_of(found)["run"]


@pytest.mark.parametrize("name", PAGES)
def test_no_block_escapes(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    found = docs.blocks(PAGES[name])
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(found)
    assert not re.findall(r"^(?: {4}|\t)(?! *[-*\d])", docs.FENCE.sub("", text), re.MULTILINE), (
        "code that is indented would not be found; fence it"
    )
    known = re.compile(r"|run first|not run: .{8,}|exit \d+|on (source|target)")
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


def test_every_page_is_in_the_index() -> None:
    index = PAGES["docs/README.md"].read_text(encoding="utf-8")
    missing = [p.name for p in PAGES.values() if p.parent.name == "docs" and p.name not in index]
    assert missing == []
