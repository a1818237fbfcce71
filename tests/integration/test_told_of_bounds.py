"""A query that fails at one of its rows while it is cut is told with its field and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from mapper_dask import ChunkManager, MapperJob
from mapper_dask.errors import DatabaseError
from tests.database import Databases


@pytest.mark.parametrize(
    ("sql", "options", "remedy"),
    [
        ("SELECT 10 / (id - 500) AS k, id FROM s", {"key_column": "k"}, "NULLIF"),
        ("SELECT (note)::int AS k, id FROM s", {"key_column": "k"}, "compare|cast"),
        ("SELECT 10 / (id - 500) AS k, id FROM s", {"strategy": "OFFSET_LIMIT",
                                                    "key_column": "k"}, "NULLIF"),
    ],
    ids=["a division", "a cast", "windows"],
)  # fmt: skip
def test_a_row_that_fails_while_bounds_are_asked_for(
    databases: Databases, sql: str, options: dict[str, Any], remedy: str
) -> None:
    databases.source.execute(
        "CREATE TABLE s AS SELECT g AS id, 'secret ' || g AS note FROM generate_series(1, 2000) g"
    )
    job = MapperJob(source_conn=databases.source.url, source_sql=sql, chunk_size=100, **options)

    with pytest.raises(DatabaseError, match=remedy) as caught:
        ChunkManager().plan(job)

    assert caught.value.details["field"] == "source_sql"
    assert str(caught.value).startswith("source_sql")
    assert "secret" not in str(caught.value)
