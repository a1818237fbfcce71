"""Plans saved, printed and numbered, and what they warn of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mapper_dask import Chunk, ChunkConfig, ChunkingStrategy, ChunkManager
from mapper_dask.plan.chunk_plan import saved_chunks
from tests.database import Database
from tests.integration.planning.plans import ROWS, SIZE, plan_of


def test_saved_plan_comes_back(shop: Database, tmp_path: Path) -> None:
    for number, (sql, options) in enumerate(
        [
            ("SELECT * FROM k_text_odd", {"key_column": "k"}),
            ("SELECT * FROM loose_pair", {"key_column": ["a", "b"]}),
            ("SELECT * FROM keyless", {}),
            ("SELECT * FROM shop", {"strategy": "OFFSET_LIMIT"}),
            ("SELECT 1 AS one", {}),
        ]
    ):
        plan = plan_of(shop, sql, chunk_size=100, **options)
        path = tmp_path / f"{number}.json"
        plan.save(path)
        assert saved_chunks(json.loads(path.read_text(encoding="utf-8"))) == plan.chunks
        assert [Chunk.from_json(chunk.to_json()) for chunk in plan.chunks] == list(plan.chunks)


def test_plan_prints(shop: Database) -> None:
    sql = "SELECT id, '<script>&' AS \"<b>\" FROM shop ORDER BY id"
    plan = plan_of(shop, sql, chunk_size=50)
    text, html = str(plan), plan._repr_html_()
    assert "KEY_BASED into 20 chunks of about 50" in text
    assert "about 1,000" in text
    assert "ORDER BY, a unique key" in text
    assert "a dry run counts only" in text
    assert "[-∞, 51)" in text
    assert "+∞)" in text
    assert "<script>" not in html
    assert "&lt;script&gt;&amp;" in html


def test_config_alone(shop: Database) -> None:
    config = ChunkManager(chunk_size=100).calculate_chunk_config(
        shop.url, "SELECT * FROM shop_view", key_column="id"
    )
    assert config == ChunkConfig(
        ChunkingStrategy.KEY_BASED, 100, 1_000, 10, ("id",), "ranges of id: key_column"
    )
    assert ChunkManager().calculate_chunk_config(shop.url, "TABLE shop", chunk_size=1).chunk_size


@pytest.mark.parametrize(("key", "warned"), [("n", True), ("k", False)])
def test_plan_warns_of_a_key_without_an_index(shop: Database, key: str, *, warned: bool) -> None:
    plan = plan_of(shop, "SELECT * FROM k_int", key_column=key, chunk_size=SIZE)
    assert warned == any(f"{key} has no index" in note for note in plan.warnings)


def test_plan_of_many_chunks_warns(shop: Database) -> None:
    plan = plan_of(shop, "SELECT * FROM k_int", key_column="k", chunk_size=1)
    assert any("a larger chunk_size" in note for note in plan.warnings)
    assert len(plan.chunks) == ROWS + 1


def _ids(chunks: Sequence[Chunk]) -> list[int]:
    return [chunk.chunk_id for chunk in chunks]


@pytest.mark.parametrize("strategy", [None, *ChunkingStrategy])
def test_chunk_ids_are_places(shop: Database, strategy: ChunkingStrategy | None) -> None:
    chunks = plan_of(shop, "SELECT * FROM shop", strategy=strategy, chunk_size=77).chunks
    assert _ids(chunks) == list(range(len(chunks)))


def test_planning_writes_nothing(shop: Database) -> None:
    before = shop.fetch("SELECT count(*) FROM pg_class")
    plan_of(shop, "SELECT * FROM shop ORDER BY at", chunk_size=10)
    assert shop.fetch("SELECT count(*) FROM pg_class") == before
