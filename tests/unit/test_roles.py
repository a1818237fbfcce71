"""What a kind of database can be opened as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mapper_dask.dialects.base import Roles
from mapper_dask.dialects.postgresql import PostgreSQL
from mapper_dask.dialects.postgresql.source import PostgreSQLSource
from mapper_dask.errors import ConfigurationError


@dataclass
class OnlyRead(PostgreSQL):
    """A kind of database without a ledger of ours."""

    name: str = "plain"
    roles: Any = Roles(PostgreSQLSource)  # noqa: RUF009


def test_what_can_only_be_read_is_no_target_and_no_store() -> None:
    source = OnlyRead().roles.source(OnlyRead(), object(), None)

    assert source.dialect.name == "plain"
    for role in ("target", "store"):
        with pytest.raises(ConfigurationError, match="a plain database can only be read"):
            getattr(OnlyRead().roles, role)(source.dialect, source.conn, None)
