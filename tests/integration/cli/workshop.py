"""A folder with a job file, two databases, and the command line run as a user runs it."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask
from cloudpickle import unregister_pickle_by_value
from cloudpickle.cloudpickle import list_registry_pickle_by_value

from mapper_dask.cli import main
from mapper_dask.connections.pool import dispose_engines
from tests.database import Database, Databases
from tests.scripts import ROOT

PASSWORD = "hunter2-not-to-be-seen"
ROLE = "mapper_dask_cli"

FUNCTIONS = """
import pandas as pd

from mapper_dask import reject


def priced(frame: pd.DataFrame, factor: int = 2) -> pd.DataFrame:
    return frame.assign(price=frame["price"] * factor)


def picky(frame: pd.DataFrame) -> pd.DataFrame:
    ends = frame["id"].astype(str).str.zfill(4).str[-2:]
    return reject(frame, ends == "07", "ends in 07")


def failing(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["id"] == 150).any():
        raise ValueError("150 is not wanted")
    return frame
"""

JOB_FILE = """
version: 1
name: shop
connections:
  source: env:SOURCE
  target: env:TARGET
settings:
  chunk-size: 100
  max-workers: 2
jobs:
  goods:
    source:
      connection: source
      table: goods
    transform:
      function: shop_functions:priced
      with: {factor: 3}
    target:
      connection: target
      table: goods
"""


def _heeds_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Answer:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Workshop:
    """Where the command line is run."""

    folder: Path
    databases: Databases
    environment: dict[str, str]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "mapper_dask.cli", *map(str, arguments)]

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env={**self.environment, **environment},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # Where a shell has put the tests in the background, an interrupt is ignored.
            preexec_fn=_heeds_interrupts,  # noqa: PLW1509 - it takes no lock
        )  # fmt: skip

    def run(self, *arguments: object, **environment: str) -> Answer:
        """Run a command in this process, as if it were one of its own."""
        out, err = io.StringIO(), io.StringIO()
        with self._alone(environment), redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        assert PASSWORD not in out.getvalue() + err.getvalue()
        return Answer(code, out.getvalue(), err.getvalue())

    @contextmanager
    def _alone(self, environment: dict[str, str]) -> Iterator[None]:
        """Stand in the folder, under its variables, with nothing known from before."""
        paths, here = list(sys.path), Path.cwd()
        logger = logging.getLogger("mapper_dask")
        dispose_engines()
        with patch.dict(os.environ, {**self.environment, **environment}, clear=True):
            dask.config.refresh()
            os.chdir(self.folder)
            try:
                yield
            finally:
                os.chdir(here)
                sys.path[:] = paths
                functions = sys.modules.pop("shop_functions", None)
                if functions is not None and "shop_functions" in list_registry_pickle_by_value():
                    unregister_pickle_by_value(functions)
                dispose_engines()
                logger.setLevel(logging.NOTSET)
        dask.config.refresh()

    def apart(self, *arguments: object, **environment: str) -> Answer:
        """Run a command in a process of its own."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env={**self.environment, **environment},
            text=True, capture_output=True, check=False, timeout=600,
        )  # fmt: skip
        assert PASSWORD not in done.stdout + done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    @property
    def source(self) -> Database:
        return self.databases.source

    @property
    def target(self) -> Database:
        return self.databases.target


def with_password(url: str, database: Database) -> str:
    """Return a URL of a role with a password, which the server may or may not ask for."""
    database.execute(
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN SUPERUSER PASSWORD '{PASSWORD}'; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    import sqlalchemy as sa

    made = sa.make_url(url).set(username=ROLE, password=PASSWORD)
    return made.render_as_string(hide_password=False)


def opened(folder: Path, databases: Databases, rows: int = 1000) -> Workshop:
    """Return a workshop with the table of goods, and an empty one that takes them."""
    databases.source.execute(
        "CREATE TABLE goods AS SELECT g::int AS id, 'good ' || g AS name, g * 1.25 AS price, "
        "timestamp '2024-01-01' + g * interval '1 min' AS changed "
        f"FROM generate_series(1, {rows}) g"
    )
    databases.source.execute("ALTER TABLE goods ADD PRIMARY KEY (id)")
    databases.target.execute(
        "CREATE TABLE goods (id int PRIMARY KEY, name text, price numeric, changed timestamp)"
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("DASK_MAPPER")},
        "PYTHONPATH": str(ROOT),
        "SOURCE": with_password(databases.source.url, databases.source),
        "TARGET": with_password(databases.target.url, databases.target),
        "COLUMNS": "200",
    }
    shop = Workshop(folder, databases, environment)
    shop.write("shop_functions.py", FUNCTIONS)
    shop.write("shop.yaml", JOB_FILE)
    return shop
