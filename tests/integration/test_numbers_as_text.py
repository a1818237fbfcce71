"""A number that goes into a text keeps its own digits, whatever stands beside it in its chunk."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import pandas as pd
import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.mapping.transform import Transform
from tests.database import Databases, Server, fresh_databases

NUMBERS = [
    "2",
    "2.0000000",
    "0",
    "0.00",
    "0.0000000000",
    "0.0000001",
    "-0.000000012300",
    "1000",
    "1E+44",
    "12345678901234567890.123456789012345678901234567890",
    "-7.10",
    "NaN",
    "Infinity",
    "-Infinity",
]

COLUMNS = "id bigint, v text, w varchar(90), j json, d numeric, s text"
"""A numeric without a scale into each of these; ``s`` is of one with a scale."""


def made_anew(frame: pd.DataFrame) -> pd.DataFrame:
    """Make every Decimal anew, as a function does that computes."""
    again = [None if v is None else Decimal(str(v)) for v in frame["v"]]
    return frame.assign(v=again, w=again)


MAPPED = {"v": "text", "w": "text", "s": "text"}

WAYS = {
    "no function": None,
    "function": lambda frame: frame,
    "shuffled": lambda frame: frame.sample(frac=1, random_state=1),
    "made by the function": made_anew,
    "mapping": Transform(cast=MAPPED),
    "mapping, nullable": Transform(cast=MAPPED, dtype_backend="numpy_nullable"),
}

SIZES = [1, 2, 3, 7, 1000]


@pytest.fixture(scope="module")
def numbers(postgres_server: Server) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as databases:
        yield filled(databases)


def filled(databases: Databases) -> Databases:
    draw = random.Random(5)
    texts = [*NUMBERS, *NUMBERS]
    rows = ", ".join(
        f"({n}, '{text}', {draw.randrange(-9999, 9999)} / 1e9)"
        for n, text in enumerate(draw.sample(texts, len(texts)))
    )
    databases.source.execute("CREATE TABLE t (id bigint PRIMARY KEY, v numeric, s numeric(20,10))")
    databases.source.execute(f"INSERT INTO t VALUES {rows}, (900, NULL, NULL)")
    return databases


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
@pytest.mark.parametrize("way", WAYS)
def test_the_text_is_the_databases_own(numbers, way, backend):
    # A JSON knows no NaN and no infinity: a database refuses them, loudly.
    sql = "SELECT id, v, v AS w, CASE WHEN v - v = 0 THEN v END AS j, v AS d, s FROM t"
    if way == "no function":  # which puts no number into a json
        sql = sql.replace(" END AS j", " END::text::json AS j")
    columns = "id, v::text, w::text, j::text, d::text, s::text"
    expected = numbers.source.fetch(f"SELECT {columns} FROM ({sql}) q ORDER BY id")
    for size in SIZES:
        numbers.target.execute("DROP TABLE IF EXISTS t")
        numbers.target.execute(f"CREATE TABLE t ({COLUMNS})")
        job = MapperJob(
            source_conn=numbers.source.url,
            source_sql=sql,
            target_conn=numbers.target.url,
            target_table="t",
            transformation_logic=WAYS[way],
            key_column="id",
            chunk_size=size,
            dtype_backend=backend,
        )
        ParallelProcessor(enable_parallel=False, progress=False).run(job).raise_for_status()
        found = numbers.target.fetch(f"SELECT {columns} FROM t ORDER BY id")
        assert found == expected, f"chunk_size={size}"
