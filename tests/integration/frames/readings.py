"""Tables that frames are read from, and what a frame holds."""

from __future__ import annotations

from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import pandas as pd
import sqlalchemy as sa

from mapper_dask.connections.masking import secrets_of

ROWS = 1_000
SIZE = 100
ALL = "SELECT * FROM readings"
PASSWORD = "s3cret/§%40 @:x"
texts = sa.table("texts", sa.column("id"), sa.column("name"))


def values(frame: dd.DataFrame, column: str) -> list[Any]:
    """Return a column, or the index by its name, as Python values; NULL is None."""
    computed = frame.compute()
    found = computed.index if computed.index.name == column else computed[column]
    return [None if pd.isna(value) else value for value in found]


def sizes(frame: dd.DataFrame) -> list[int]:
    return [len(part) for part in dask.compute(*frame.to_delayed())]


def hidden(*seen: Any) -> bool:
    """Return whether none of the password's spellings is in what was seen, shown or pickled."""
    spellings = secrets_of(sa.URL.create("x", password=PASSWORD))
    text = " ".join(map(repr, seen)) + " ".join(map(str, seen))
    pickles = b" ".join(cloudpickle.dumps(thing) for thing in seen)
    return all(s not in text and s.encode() not in pickles for s in spellings)
