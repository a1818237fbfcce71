"""Objects of the login's own schema that have the names of Oracle's are not looked at.

A table of one's own comes before the public synonym of that name: a private ALL_TABLES would be
read in place of the dictionary's, by whoever uses the schema.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from mapper_dask import MapperJob, ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from mapper_dask.connections.reference import reference
from mapper_dask.ledger import cleanup as housekeeping
from tests.builders import job_between
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Server
from tests.oracle import standin_on

KINDS = {"id": "key NOT NULL", "v": "text"}
ROWS = [(n, f"x{n}") for n in range(2000)]
SQL = resources.files("mapper_dask.dialects") / "sql" / "oracle"


def plants() -> list[str]:
    """Return the public names of all that our statements ask of SYS, but for packages."""
    texts = [path.read_text(encoding="utf-8") for path in SQL.iterdir()]
    named = {name.upper() for text in texts for name in re.findall(r"SYS\.([\w$]+)", text)}
    public = {name.replace("V_$", "V$") for name in named if not name.startswith("DBMS_")}
    return sorted({*public, "DUAL", "PLAN_TABLE", "V$DATABASE"})


@pytest.fixture(params=["source", "novice"], ids=["privileged", "plain"])
def side(postgres_server: Server, request: pytest.FixtureRequest) -> Iterator[Side]:
    """A login whose schema holds a table for each of those names: empty, or of two rows."""
    with standin_on(postgres_server, plain={"novice": "lamb"}) as running:
        made = sides.oracle(running.url(request.param))
        filled = made.table(KINDS, "PRIMARY KEY (id)")
        made.insert(filled, KINDS, ROWS)
        for name in plants():
            # SQLAlchemy, which the test itself uses, wants a row of DUAL at least.
            rows = "SELECT 1 AS plant FROM SYS.DUAL" + (" WHERE 1 = 0" if name != "DUAL" else "")
            made.execute(f'CREATE TABLE "{name}" AS {rows} UNION ALL {rows}')
        yield made
        for name in plants():
            made.execute(f'DROP TABLE "{name}"')
        dispose_engines()
        made.clean()


def job(side: Side, here: str, **options: Any) -> MapperJob:
    return job_between(side, side.made[0], side, here, **{"chunk_size": 300, **options})


def test_there_is_a_plant_for_every_view() -> None:
    assert {"ALL_TABLES", "ALL_OBJECTS", "V$SESSION", "DUAL", "DBA_EXTENTS"} <= set(plants())


def test_a_plant_is_what_its_bare_name_means(side: Side) -> None:
    assert side.query("SELECT COUNT(*) FROM dual") == [(2,)]
    assert side.query("SELECT COUNT(*) FROM all_tables") == [(0,)]
    assert side.query("SELECT COUNT(*) FROM SYS.DUAL") == [(1,)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strategy": "ROWID_BASED"},
        {"atomic": True},
        {"write_disposition": "replace"},
        {"write_disposition": "merge", "primary_key": ["id"]},
        {"direct_path": True},
    ],
    ids=str,
)
def test_runs_are_as_ever(side: Side, options: dict[str, Any]) -> None:
    here = side.table(KINDS, "PRIMARY KEY (id)")
    result = ParallelProcessor(enable_parallel=False).run(job(side, here, **options))
    assert result.raise_for_status().consistent
    assert side.rows(here, KINDS) == Counter(ROWS)
    ref = reference(side.url)
    housekeeping.require_ledger(ref)
    assert housekeeping.every_run(ref)
    housekeeping.clean(ref, older_than=0)
