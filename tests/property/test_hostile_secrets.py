"""No failure shows a password or a value, whatever they are: a login's is hostile too."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask import MapperError
from mapper_dask.connections.masking import secrets_of
from mapper_dask.connections.pool import dispose_engines
from tests.long_form import SECRETS
from tests.property.hostile import (
    CHARACTERS,
    MIXED,
    SCHEMA,
    SYSTEM_COLUMNS,
    Pair,
    examples,
    move,
    quoted,
)

pytestmark = pytest.mark.integration
PASSWORD = (MIXED | st.text(CHARACTERS, max_size=20)).map(lambda text: f"pä/§{text}@:s3cret")


def shown(error: BaseException) -> str:
    """Return all that a log or a terminal could show of an error, its causes included."""
    texts = ["".join(traceback.format_exception(error, chain=True))]
    cause: BaseException | None = error
    while cause is not None:
        texts += [str(cause), repr(cause), repr(cause.args), repr(vars(cause))]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, made of hostile names."""

    sql: str
    job: dict[str, Any]
    named: str
    """What the error must name."""


def raising(text: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def raises(_: pd.DataFrame) -> pd.DataFrame:
        raise ValueError(text)

    return raises


FAULTS = ("no table", "no schema", "no key", "bad query", "no column", "function", "twice")


def fault(kind: str, name: str) -> Fault:
    sql, target = "SELECT id, t FROM s.f", {"target_schema": "s", "target_table": "f"}
    faults = {
        "no table": Fault(sql, {**target, "target_table": name}, quoted(name)),
        "no schema": Fault(sql, {**target, "target_schema": name}, quoted(name)),
        "no key": Fault(sql, {**target, "key_column": name}, name),
        "bad query": Fault(f"SELECT {quoted(name)} FROM s.f AS f", target, name),
        "no column": Fault(f"SELECT id, t AS {quoted(name)} FROM s.f", target, name),
        "function": Fault(sql, {**target, "transformation_logic": raising(name)}, name),
        "twice": Fault(sql, {**target, "target_table": "once"}, "once_id_key"),
    }
    return faults[kind]


@examples(SECRETS)
@given(
    kind=st.sampled_from(FAULTS),
    name=SCHEMA.filter(lambda name: name not in {*SYSTEM_COLUMNS, "f", "id", "t", "s"}),
    password=PASSWORD,
    server=st.sampled_from(["open", "closed"]),
)
def test_no_failure_shows_a_password_or_a_value(
    pair: Pair, kind: str, name: str, password: str, server: str
) -> None:
    # The server trusts its socket, so any password opens it; this one must only stay hidden.
    urls = [sa.make_url(side.url).set(password=password) for side in (pair.source, pair.target)]
    if server == "closed":
        urls[0] = sa.URL.create("postgresql+psycopg2", "u", password, "127.0.0.1", 1, "d")
    failing = fault(kind, name)
    with pair.schemas("s", "s"):
        pair.source.run("CREATE TABLE s.f AS SELECT 5 AS id, 'a private value' AS t")
        pair.target.run("CREATE TABLE s.f (id int, t text)")
        pair.target.run("CREATE TABLE s.once (id int UNIQUE, t text)")
        pair.target.run("INSERT INTO s.once VALUES (5)")

        with pytest.raises(MapperError) as caught:
            move(
                pair, failing.sql, source_conn=urls[0], target_conn=urls[1], **failing.job
            ).raise_for_status()

        text = shown(caught.value)
        named = (failing.named, repr(failing.named)[1:-1])
        assert server == "closed" or any(name in str(caught.value) for name in named)
        assert pair.target.run("TABLE s.f") == []
        for hidden in (*secrets_of(urls[0]), "a private value", repr(password)[1:-1]):
            assert hidden not in text
            assert hidden not in pair.ledger()
        dispose_engines()  # of two URLs that no other example has
