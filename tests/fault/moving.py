"""The job that the fault tests break, and how they tell that it came out right."""

from __future__ import annotations

import pandas as pd

from mapper_dask import MapperJob
from tests.database import Databases

ROWS = 60_000
CHUNK_SIZE = 2_000
SOURCE_SQL = "SELECT * FROM s"

SETUP = f"""
CREATE TABLE s AS
SELECT CASE WHEN g % 50 = 0 THEN NULL WHEN g % 3 = 0 THEN 7 ELSE g END AS k,
       g AS id, (g % 977) * 1.01 AS v, md5(g::text) AS t
FROM generate_series(1, {ROWS}) g
""".replace("%", "%%")

EXPECTED = "SELECT k, id, v * 2 AS v, upper(t) AS t FROM s"


def shout(frame: pd.DataFrame) -> pd.DataFrame:
    """Double a number and raise a voice."""
    return frame.assign(v=frame["v"] * 2, t=frame["t"].str.upper())


def stage(databases: Databases) -> None:
    """Make the source's rows and the empty target."""
    databases.source.execute(SETUP)
    databases.source.execute("CREATE INDEX ON s (k)")
    databases.source.execute("ANALYZE s")
    databases.target.execute("CREATE TABLE d (k int, id int, v numeric, t text)")


def job(source: str, target: str, function: object = shout, **options: object) -> MapperJob:
    """Return the job that moves them."""
    return MapperJob(
        source_conn=source, source_sql=SOURCE_SQL, transformation_logic=function, key_column="k",
        target_conn=target, target_table="d", chunk_size=CHUNK_SIZE, **options,
    )  # fmt: skip


def assert_every_row_once(databases: Databases) -> None:
    """Compare source and target as bags of rows, and the ledger with both."""
    moved = databases.target.fetch("SELECT k, id, v, t FROM d")
    expected = databases.source.fetch(EXPECTED)
    assert len(moved) == ROWS
    assert sorted(moved, key=repr) == sorted(expected, key=repr)
    booked = databases.target.fetch("SELECT sum(rows_loaded) FROM mapper_dask_chunk")
    assert booked == [(ROWS,)]
