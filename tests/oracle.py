"""Where Oracle is: a server of yours by three variables, else the protocol stand-in."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from tests.database import Database, Server
from tests.oracle_standin import Running, running_standin

DSN, USER, PASSWORD = (f"MAPPER_DASK_TEST_ORACLE_{part}" for part in ("DSN", "USER", "PASSWORD"))

ROLES = {"source": "tiger", "target": "lion"}
"""The stand-in's users, and their passwords."""


def real_url() -> str | None:
    """Return the URL of the server that the variables name, None where they name none."""
    if not os.environ.get(DSN):
        return None
    host, _, service = os.environ[DSN].partition("/")
    name, _, port = host.partition(":")
    url = sa.URL.create(
        "oracle+oracledb",
        os.environ[USER],
        os.environ[PASSWORD],
        name,
        int(port or 1521),
        query={"service_name": service},
    )
    return url.render_as_string(hide_password=False)


@contextmanager
def standin_on(
    server: Server, journal: str | None = None, plain: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a stand-in in a database of its own on a server; ``plain`` users have no rights."""
    admin, name = Database(server.url()), f"mapper_dask_test_oracle_{uuid.uuid4().hex[:12]}"
    admin.execute(f'CREATE DATABASE "{name}"')
    try:
        url = sa.make_url(server.url(name))
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with running_standin(dsn, ROLES, journal, plain) as running:
            yield running
    finally:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
