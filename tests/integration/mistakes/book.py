"""A mistake that people make, where it is made, and what they are told: as a person reads it."""

from __future__ import annotations

import inspect
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask
import pytest

from mapper_dask import MapperError, ParallelProcessor
from mapper_dask.cli import main
from mapper_dask.connections.pool import dispose_engines
from tests.database import Databases

PASSWORD = "hunter2-not-to-be-seen"
"""Planted in every URL: it may stand in no message."""

WIDTH = 96

SOURCE = """
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int PRIMARY KEY, name text NOT NULL, city text, since date);
INSERT INTO sales.customers
    SELECT g, 'name ' || g, 'city ' || mod(g, 7), date '2024-01-01' + g
    FROM generate_series(1, 40) g;
CREATE TABLE sales.orders
    (id int PRIMARY KEY, customer_id int, amount numeric(10, 2), note text);
INSERT INTO sales.orders SELECT g, mod(g, 20) + 1, g * 1.25, NULL FROM generate_series(1, 60) g;
CREATE SCHEMA hidden;
CREATE TABLE hidden.salaries (id int PRIMARY KEY, amount numeric);
"""

TARGET = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
CREATE TABLE heap (id int, name text, city text);
CREATE TABLE orders (customer_id int PRIMARY KEY, amount numeric(10, 2));
CREATE SCHEMA mart;
CREATE TABLE mart.customers (id int PRIMARY KEY, name text, city text);
CREATE VIEW a_view AS SELECT c.id, c.name, o.amount FROM customers c, orders o;
CREATE TABLE narrow (id int, name varchar(3), city text);
CREATE TABLE computed (id int, name text, city text GENERATED ALWAYS AS ('x') STORED);
CREATE TABLE checked (id int CHECK (id > 90), name text, city text);
"""

BASE: Mapping[str, Any] = {
    "source_conn": "env:SOURCE",
    "source_sql": "SELECT id, name, city\nFROM sales.customers",
    "target_conn": "env:TARGET",
    "target_table": "customers",
}
"""The job in which each mistake is made, and which is right."""


@dataclass(frozen=True)
class Shop:
    """Where mistakes are made."""

    databases: Databases
    folder: Path
    reader: str
    """A role that may connect, and no more."""

    @property
    def names(self) -> dict[str, str]:
        """What is called otherwise on every machine, and how the golden file calls it."""
        source, target = (url_parts(database.url) for database in self.databases)
        return {
            source["database"]: "shop",
            target["database"]: "warehouse",
            self.reader: "reader",
            str(self.folder): "/home/me/work",
            **dict.fromkeys(source["sockets"], "/run/postgresql"),
        }

    def told(self, message: str) -> str:
        """Return a message without what differs from machine to machine."""
        for real, shown in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            message = message.replace(real, shown)
        message = re.sub(r"\b[0-9a-f]{32}\b", "0123abcd", message)
        message = re.sub(r"\b[0-9a-f]{16}\b", "0123abcd", message)
        message = re.sub(r"\bprocess \d+ on \S+?(?=[ ;:,])", "process 4711 on desk", message)
        message = re.sub(r"\b(\d+\.\d+ s|\d+ ms)\b", "100 ms", message)
        message = message.partition("\nTraceback (most recent")[0]
        return re.sub(r"[^\s(\"]*/tests/integration/mistakes/", "…/", message)


def url_parts(url: str) -> dict[str, Any]:
    import sqlalchemy as sa

    made = sa.make_url(url)
    host = str(made.query.get("host") or made.host)
    from urllib.parse import quote, quote_plus

    return {"database": made.database, "sockets": {host, quote(host, safe=""), quote_plus(host)}}


@dataclass(frozen=True)
class Mistake:
    """What somebody gives, and what a good answer has."""

    title: str
    field: str
    """What the answer must name."""
    remedy: str
    """Words of the remedy, which the answer must have."""
    given: str
    """The mistake as a person would write it."""
    make: Callable[[Shop], str]
    """Make it; return what is told."""


def told_by(action: Callable[[], Any]) -> str:
    with pytest.raises((MapperError, TypeError)) as caught:
        action()
    return str(caught.value)


def job(title: str, field: str, remedy: str, *, given: str = "", **changes: Any) -> Mistake:
    """Return a mistake in one field of a job, or in two that do not go together."""

    def make(shop: Shop) -> str:
        fields = {**BASE, **{k: v(shop) if k.endswith("_conn") and callable(v) else v
                             for k, v in changes.items()}}  # fmt: skip
        processor = ParallelProcessor(enable_parallel=False, progress=False)

        def run() -> None:
            processor.process_mapper_job(**fields).raise_for_status()

        return told_by(run)

    return Mistake(title, field, remedy, given or _written(changes), make)


def call(
    title: str, field: str, remedy: str, action: Callable[[Shop], Any], *, given: str = ""
) -> Mistake:
    """Return a mistake in a call of another kind."""
    source = given or inspect.getsource(action).strip()
    return Mistake(title, field, remedy, source, lambda shop: told_by(lambda: action(shop)))


JOB_FILE = """
version: 1
name: nightly
connections:
  source: env:SOURCE
  target: env:TARGET
jobs:
  customers:
    source:
      connection: source
      sql: SELECT id, name, city FROM sales.customers
    target:
      connection: target
      table: customers
"""


def line(
    title: str,
    field: str,
    remedy: str,
    typed: str,
    *,
    swap: tuple[str, str] = ("", ""),
    environment: Mapping[str, str] = {},
    shown: str = "",
) -> Mistake:
    """Return a mistake on the command line, or in the job file that it runs.

    Parameters
    ----------
    swap
        What in the job file is put in whose place.
    """

    def make(shop: Shop) -> str:
        assert swap[0] in JOB_FILE
        text = JOB_FILE.replace(*swap) if swap[0] else JOB_FILE
        (shop.folder / "nightly.yaml").write_text(text.lstrip(), encoding="utf-8")
        (shop.folder / "customers.sql").write_text("SELECT 1 AS id\n", encoding="utf-8")
        (shop.folder / "nightly.py").write_text("print('moved')\n", encoding="utf-8")
        code, answer = command(shop, typed.split(), environment)
        assert code in (1, 2), (code, answer)
        return answer

    shown_swap = textwrap.dedent(swap[1]).strip()
    given = f"{shown_swap}\n" if swap[0] else ""
    return Mistake(title, field, remedy, shown or f"{given}$ mapper-dask {typed}", make)


def command(shop: Shop, typed: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Return how a command ended, and what it said to a person who waits for its answer."""
    out, err = io.StringIO(), io.StringIO()
    with standing_in(shop.folder, environment), redirect_stdout(out), redirect_stderr(err):
        code = main([*typed])
    said = err.getvalue().strip() or out.getvalue().strip()
    return code, said.partition("\n\n")[0]  # what follows is the report of a run, or a sum


@contextmanager
def standing_in(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    here, paths = Path.cwd(), list(sys.path)
    with patch.dict(os.environ, environment):
        dask.config.refresh()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
            sys.path[:] = paths
            dispose_engines()
    dask.config.refresh()


def _written(changes: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}={_value(value)}" for name, value in changes.items())


def _value(value: Any) -> str:
    if callable(value):
        source = textwrap.dedent(inspect.getsource(value)).strip()
        if value.__doc__:
            return value.__doc__.strip()
        return source if source.startswith("def ") else value.__name__
    if isinstance(value, str) and "\n" in value.strip():
        return f'"""{value}"""'
    return str(value) if isinstance(value, os.PathLike) else repr(value)


# -- the golden file -------------------------------------------------------------------------------


def section(mistake: Mistake, message: str) -> str:
    """Return a mistake as the golden file has it."""
    given = textwrap.indent(mistake.given.replace(PASSWORD, "…"), "      ")
    lines = [_wrapped(text.rstrip()) for text in message.splitlines()]
    return f"  {mistake.title}\n{given}\n" + "\n".join(lines)


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.wrap(
            text, WIDTH, initial_indent="    | ", subsequent_indent="    |   ",
            break_long_words=False, break_on_hyphens=False,
        ) or ["    |"]
    )  # fmt: skip


def page(chapters: Mapping[str, Sequence[Mistake]], told: Mapping[int, str]) -> str:
    """Return the golden file."""
    parts = [HEAD]
    for chapter, mistakes in chapters.items():
        parts.append(f"{'=' * 8} {chapter} {'=' * (WIDTH - len(chapter) - 10)}")
        parts += [section(mistake, told[id(mistake)]) for mistake in mistakes]
    return "\n\n".join(parts) + "\n"


HEAD = """\
What people are told who make a mistake. Each stands as it is given, and behind it the message,
which names the field, says what is wrong with it and what to do. Written by `make mistakes`; held
by tests/integration/mistakes/test_mistakes.py. Names of databases, roles, folders and runs are
replaced."""


@dataclass
class Told:
    """What was told in this session, by the mistakes' numbers in this process."""

    messages: dict[int, str] = field(default_factory=dict)
