"""Connections refused before the first row moves."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mapper_dask.embedded import EmbeddedPostgres
from mapper_dask.errors import (
    ConfigurationError,
    ConnectionFailedError,
)
from tests.database import Database, Databases
from tests.integration.refusals.shop import CLOSED_PORT, SECRET, Refused, secretive


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize("case", ["port", "host", "database", "user"])
def test_a_database_that_cannot_be_reached(
    refused: Refused, shop: Databases, field: str, case: str
) -> None:
    good = secretive(getattr(shop, field.removesuffix("_conn")))
    connection, told = {
        "port": (CLOSED_PORT, "Connection refused"),
        "host": (
            sa.URL.create(
                "postgresql+psycopg2", "mover", SECRET, "nohost.invalid", database="shop"
            ),
            "could not translate host name",
        ),
        "database": (good.set(database="nothing"), 'database "nothing" does not exist'),
        "user": (good.set(username="nobody_here"), "nobody_here"),
    }[case]
    error = refused(ConnectionFailedError, field, **{field: connection})
    assert "cannot connect to postgresql+psycopg2://" in str(error)
    assert ":***@" in str(error)
    assert told in str(error)


@pytest.mark.parametrize("run_id", [None, "nightly"])
def test_a_wrong_password(
    refused: Refused, private_server: EmbeddedPostgres, run_id: str | None
) -> None:
    """The server asks for the password, and the one that is given is not shown."""
    admin = Database(private_server.url())
    admin.execute("CREATE ROLE mover LOGIN PASSWORD 'right'")
    hba = private_server.data_directory / "pg_hba.conf"
    hba.write_text(f"local all mover scram-sha-256\n{hba.read_text()}")
    private_server.stop()
    private_server.start()
    url = sa.make_url(private_server.url()).set(username="mover", password=SECRET)
    for field in ("source_conn", "target_conn"):
        error = refused(ConnectionFailedError, field, **{field: url, "run_id": run_id})
        assert 'password authentication failed for user "mover"' in str(error)


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize(
    ("connection", "remedy"),
    [
        (5, "must be a URL"),
        ("shop.db", "must be a URL"),
        ("", "must be a URL"),
        (b"postgresql://host/shop", "must be a URL"),
        ({"host": "localhost"}, "must be a URL"),
        (f"postgresql://mover:{SECRET}@host:port/shop", "is not a URL that SQLAlchemy can read"),
        (f"postgresql://mover:1@{SECRET}@host/shop", "write it as %40"),
        (f"mysql+pymysql://mover:{SECRET}@host/shop", "this version knows oracle, postgresql"),
        ("sqlite:///shop.db", "this version knows oracle, postgresql"),
        (sa.create_engine("sqlite://"), "this version knows oracle, postgresql"),
        (f"nonsense://mover:{SECRET}@host/shop", "this version knows oracle, postgresql"),
        (f"postgresql+asyncpg://mover:{SECRET}@host/shop", "use postgresql+psycopg2://"),
    ],
    ids=lambda value: str(value).replace(SECRET, "…")[:32],
)
def test_a_connection_of_an_unknown_kind(
    refused: Refused, field: str, connection: Any, remedy: str
) -> None:
    assert remedy in str(refused(ConfigurationError, field, **{field: connection}))


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize("place", ["mapper-dask.invalid:1521", "127.0.0.1:1"])
def test_an_oracle_that_is_not_there(refused: Refused, field: str, place: str) -> None:
    url = f"oracle+oracledb://mover:{SECRET}@{place}/?service_name=shop"
    error = refused(ConnectionFailedError, field, **{field: url})
    assert "cannot connect to oracle+oracledb://" in str(error)


@pytest.mark.parametrize("field", ["source_conn", "target_conn"])
@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:REFUSALS_UNSET", "environment variable REFUSALS_UNSET is not set"),
        ("env:REFUSALS_SECRET", "is not a URL that SQLAlchemy can read (not shown"),
        ("env:REFUSALS_MYSQL", "this version knows oracle, postgresql"),
        ("profile:refusals", "no mapper-dask.profiles.refusals.url"),
    ],
)
def test_a_name_that_leads_nowhere(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, field: str, reference: str, told: str
) -> None:
    monkeypatch.delenv("REFUSALS_UNSET", raising=False)
    monkeypatch.setenv("REFUSALS_SECRET", SECRET)
    monkeypatch.setenv("REFUSALS_MYSQL", f"mysql://mover:{SECRET}@host/shop")
    error = refused(ConfigurationError, field, **{field: reference})
    assert told in str(error)


@pytest.mark.parametrize("missing", ["target_conn", "target_table"])
def test_half_a_target(refused: Refused, missing: str) -> None:
    error = refused(ConfigurationError, "target_table", **{missing: None})
    assert "give both, or neither for a dry run" in str(error)
