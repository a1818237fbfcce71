"""Columns and tables that are called as ours are, on both databases; and UUIDs, which are texts."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from mapper_dask import ParallelProcessor, Reconciliation
from mapper_dask.errors import ConfigurationError
from tests.builders import job_between, run_here
from tests.contract.sides import Side

NAMES = [
    ("place", "q", "s"),
    ("q", "place", "t"),
    ("s", "x", "tied"),
    ("k0", "o", "d"),
    ("excluded", "own", "ranked"),
    ('"mapper_dask place"', "place_1", "q"),
    ("t", '"mapper_dask place"', "n"),
]
"""Of a key, a number that grows and a text."""

ALIKE = [("postgresql", "postgresql"), ("oracle", "oracle")]
"""A checksum compares texts, as one kind of database writes them."""

ROWS = [(n, n * 2, f"n{n}") for n in range(40)]


def of_kinds(names: Sequence[str]) -> dict[str, str]:
    return dict(zip(names, ("key NOT NULL", "integer", "text"), strict=True))


def run(source: Side, target: Side, there: str, here: str, **options: Any) -> Any:
    result = run_here(job_between(source, there, target, here, chunk_size=10, **options))
    result.raise_for_status()
    return result


@pytest.mark.parametrize("names", NAMES, ids="-".join)
def test_no_column_is_mistaken_for_one_of_ours(
    source: Side, target: Side, names: tuple[str, str, str]
) -> None:
    kinds = of_kinds(names)
    here = target.table(kinds, f"PRIMARY KEY ({names[0]})")
    if target.kind == "oracle":  # a name that needs quotes there is shown in the other case
        names = tuple(name.upper() if name.startswith('"') else name for name in names)
    key, grows, text = names
    there = source.table(of_kinds(names))
    source.insert(there, of_kinds(names), ROWS)
    bare = key.strip('"')
    for options in (
        {},
        {"strategy": "OFFSET_LIMIT"},
        {"write_disposition": "replace"},
        {"write_disposition": "merge"},
        {"write_disposition": "merge", "newest_by": grows.strip('"')},
        {"reject_limit": 3},
    ):
        if not options.get("write_disposition"):
            target.execute(f"DELETE FROM {here}")
        older = f"SELECT {key}, {grows} - 1 AS {grows}, {text} FROM {there} UNION ALL "
        sql = f"{older if options.get('newest_by') else ''}SELECT * FROM {there}"
        result = run(source, target, there, here, key_column=bare, source_sql=sql, **options)
        expected = Counter((Decimal(a), Decimal(b), c) for a, b, c in ROWS)
        assert target.rows(here, kinds) == expected, options
        if not options:
            found = ParallelProcessor(enable_parallel=False).reconcile(
                result.run_id, source_conn=source.url, target_conn=target.url
            )
            assert found.matches


@pytest.mark.parametrize("pair", ALIKE, ids="-".join, indirect=True)
@pytest.mark.parametrize("names", NAMES[:3], ids="-".join)
def test_a_checksum_sees_every_column(pair: tuple[Side, Side], names: tuple[str, str, str]) -> None:
    source, target = pair
    key, grows, text = names
    kinds = of_kinds(names)
    there, here = source.table(kinds), target.table(kinds)
    source.insert(there, kinds, ROWS)
    run_id = run(source, target, there, here, key_column=key).run_id

    def counted() -> Reconciliation:
        processor = ParallelProcessor(enable_parallel=False, progress=False)
        return processor.reconcile(
            run_id, source_conn=source.url, target_conn=target.url, checksum=True
        )

    assert counted().matches
    for column, value, was in ((grows, "7", "10"), (text, "'WRONG'", "'n5'")):
        target.execute(f"UPDATE {here} SET {column} = {value} WHERE {key} = 5")
        assert len(counted().differences) == 1, column
        target.execute(f"UPDATE {here} SET {column} = {was} WHERE {key} = 5")


LETTERS = "41424344-4546-4748-494a-4b4c4d4e4f50"


def with_uuids(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(v=[uuid.UUID(LETTERS)] * len(frame))


@pytest.mark.parametrize("kind", ["text", "long"])
@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_a_uuid_arrives_as_its_text(
    source: Side, target: Side, kind: str, disposition: str
) -> None:
    there, here = source.table({"id": "key"}), target.table({"id": "key", "v": kind})
    source.insert(there, {"id": "key"}, [(1,), (2,)])
    run(source, target, there, here, transformation_logic=with_uuids, write_disposition=disposition)
    assert target.query(f"SELECT v FROM {here}") == [(LETTERS,)] * 2


def test_a_uuid_is_no_bytes(source: Side, target: Side) -> None:
    there, here = source.table({"id": "key"}), target.table({"id": "key", "v": "bytes"})
    source.insert(there, {"id": "key"}, [(1,)])
    with pytest.raises(Exception, match="'v': uuid does not go into"):
        run(source, target, there, here, transformation_logic=with_uuids)
    assert target.query(f"SELECT id FROM {here}") == []


def test_a_column_of_marks_of_the_querys_own_is_refused(source: Side, target: Side) -> None:
    """Each of its rows that has a text there would be set aside."""
    kinds = {"id": "key", "_reject_reason": "text"}
    there = source.table(kinds)
    here = target.table({"id": "key"})
    source.insert(there, kinds, [(1, "late"), (2, None)])
    with pytest.raises(ConfigurationError, match="_reject_reason AS reason"):
        run(source, target, there, here, transformation_logic=lambda frame: frame, reject_limit=9)
    assert target.query(f"SELECT id FROM {here}") == []
