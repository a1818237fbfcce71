"""The shop whose jobs are refused, and what a refusal must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.errors import (
    MapperError,
)
from mapper_dask.parallel_result import ParallelProcessingResult
from tests.database import Database, Databases

SECRET = "sw0rdfish"
ROWS = 1000
SIZE = 100
CLOSED_PORT = f"postgresql+psycopg2://mover:{SECRET}@127.0.0.1:1/shop"

Refused = Callable[..., MapperError]


def secretive(database: Database) -> sa.URL:
    """Return the URL with a password: the embedded server trusts its socket and asks for none."""
    url = sa.make_url(database.url)
    return url if url.password else url.set(password=SECRET)


def move(
    shop: Databases, *, processor: ParallelProcessor | None = None, **changes: Any
) -> ParallelProcessingResult:
    """Run a job that is good but for the changes, on worker processes unless told otherwise."""
    job: dict[str, Any] = {
        "source_conn": secretive(shop.source),
        "source_sql": "SELECT * FROM shop",
        "transformation_logic": unchanged,
        "target_conn": secretive(shop.target),
        "target_table": "sold",
    }
    mover = processor or ParallelProcessor(max_workers=2, chunk_size=SIZE)
    return mover.process_mapper_job(**{**job, **changes})


def tables(database: Database) -> dict[str, int]:
    """Return every table of a database, with the number of its rows."""
    names = database.fetch(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    return {name: database.fetch(f"SELECT count(*) FROM {name}")[0][0] for (name,) in names}


def assert_untouched(shop: Databases) -> None:
    """Nothing was lost in the source, and in the target there is no row and no ledger."""
    assert tables(shop.source) == {"public.shop": ROWS}
    target = tables(shop.target)
    assert set(target.values()) <= {0}, target
    assert not [name for name in target if "mapper_dask" in name]


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame
