"""The job that the fault tests break, and how they tell that it came out right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Verdict:
    """What became of the rows, compared as bags: a row that came thrice is doubled twice."""

    lost: int
    doubled: int
    booked: int
    """Rows that the ledger says are loaded."""

    @property
    def exact(self) -> bool:
        """Whether every row arrived once and the ledger knows it."""
        return self == Verdict(0, 0, ROWS)


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
    chosen = {"key_column": "k", "chunk_size": CHUNK_SIZE, **options}
    return MapperJob(
        source_conn=source, source_sql=SOURCE_SQL, transformation_logic=function,
        target_conn=target, target_table="d", **chosen,
    )  # fmt: skip


def compare(databases: Databases) -> Verdict:
    """Compare source, target and ledger."""
    moved = Counter(databases.target.fetch("SELECT k, id, v, t FROM d"))
    expected = Counter(databases.source.fetch(EXPECTED))
    _, booked = committed(databases)
    return Verdict((expected - moved).total(), (moved - expected).total(), booked)


def committed(databases: Databases) -> tuple[int, int]:
    """Return at one moment the rows in the target, and those the ledger says are loaded."""
    [(rows, booked)] = databases.target.fetch(
        "SELECT (SELECT count(*) FROM d), sum(rows_loaded)::int FROM mapper_dask_chunk"
    )
    return rows, booked


def assert_every_row_once(databases: Databases) -> None:
    """Compare source, target and ledger: no row lost, none doubled, all accounted for."""
    assert compare(databases) == Verdict(lost=0, doubled=0, booked=ROWS)
