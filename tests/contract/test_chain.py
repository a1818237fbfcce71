"""Rows from PostgreSQL to Oracle, on to Oracle, back, and once more: the same rows."""

from __future__ import annotations

import pytest

from mapper_dask import ParallelProcessor
from tests.contract import sides
from tests.long_form import CHAINED

KINDS = {
    "id": "key",
    "wide": "wide",
    "loose": "number",
    "money": "money",
    "label": "text",
    "lengthy": "long",
    "bytes": "bytes",
    "packed": "large",
    "moment": "second",
    "exact": "time",
    "fine": "fine",
    "instant": "instant",
    "ratio": "float",
}
FILL = """
INSERT INTO {table}
SELECT CASE WHEN g %% 50 = 0 THEN NULL ELSE g END,
       power(10::numeric, 37) + g,
       CASE g %% 4 WHEN 0 THEN 9007199254740993 WHEN 1 THEN 0.1 WHEN 2 THEN -g / 7.0 END,
       g / 100.0, CASE WHEN g %% 5 = 0 THEN NULL ELSE 'é漢 ' || g END,
       CASE WHEN g %% {large} = 0 THEN repeat('x', 1000000) || g WHEN g %% 9 = 0 THEN 'short' END,
       decode(lpad(to_hex(g), 8, '0'), 'hex'),
       CASE WHEN g %% {large} = 1 THEN decode(repeat('00ff', 200000), 'hex')
            WHEN g %% 11 = 0 THEN decode(lpad(to_hex(g), 8, '0'), 'hex') END,
       timestamp '2024-02-29 13:14:15' + g * interval '1 second',
       timestamp '1999-12-31 23:59:59.123456' + g * interval '1 microsecond',
       timestamp '1700-01-01 00:00:00.000001' + g * interval '1 day 1 microsecond',
       timestamptz '2020-10-25 02:30:00+02' + g * interval '1 minute',
       CASE WHEN g %% 1000 = 0 THEN 'Infinity' ELSE g / 7.0 END
FROM generate_series(1, {rows}) g
"""


def move(source, there, target, here, **options):
    result = ParallelProcessor(enable_parallel=False, progress=False).process_mapper_job(
        source.url, f"SELECT * FROM {there}", None, target.url, None, here,
        **{"key_column": "id", "chunk_size": CHAINED // 10, **options},
    )  # fmt: skip
    result.raise_for_status()
    assert result.consistent
    assert result.total_rows_successful == CHAINED


@pytest.mark.long_form
def test_all_four_pairs_keep_every_value(databases, oracle_url):
    postgres = sides.postgresql(databases.source)
    oracle = sides.oracle(oracle_url("target"))
    first, back, last = (postgres.table(KINDS) for _ in range(3))
    there, beside = (oracle.table(KINDS) for _ in range(2))
    databases.source.execute(FILL.format(table=first, rows=CHAINED, large=CHAINED // 5))
    move(postgres, first, oracle, there)
    move(oracle, there, oracle, beside)
    move(oracle, beside, postgres, back, strategy="ROWID_BASED", key_column=None)
    move(postgres, back, postgres, last)
    for one, other in ((first, last), (last, first), (first, back)):
        assert databases.source.fetch(
            f"SELECT count(*) FROM (SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}) d"
        ) == [(0,)]
    oracle.clean()
