"""Where Oracle is: a server of yours by three variables, else the protocol stand-in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

DSN, USER, PASSWORD = (f"MAPPER_DASK_TEST_ORACLE_{part}" for part in ("DSN", "USER", "PASSWORD"))


@contextmanager
def oracle_urls() -> Iterator[Callable[[str], str]]:
    """Lend what makes the URL of a role, ``source`` or ``target``."""
    if os.environ.get(DSN):
        yield lambda _role: _real_url()
        return
    raise NotImplementedError


def _real_url() -> str:
    """Return the URL of the server that the variables name."""
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
