"""Names of ours in generated SQL: one place makes them, and they are written in one way."""

from __future__ import annotations

import ast
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper_dask.dialects.oracle import queries as oracle_queries
from mapper_dask.dialects.oracle import staging as oracle_staging
from mapper_dask.dialects.oracle.types import column_of_table
from mapper_dask.dialects.postgresql import queries, staging
from mapper_dask.dialects.postgresql.keys import Key, KeyColumn
from mapper_dask.parallel_models import Chunk, ChunkKind
from mapper_dask.query_text.aliases import free
from mapper_dask.schema.facts import Publication, SourceQuery

NAME = st.sampled_from(["q", "Q", "q_1", "Q_1", "q_2", "place", ""]) | st.text(max_size=4)


@given(wanted=NAME, taken=st.lists(NAME))
def test_a_free_name_is_nobodys_however_it_is_folded(wanted: str, taken: list[str]) -> None:
    found = free(wanted, taken)
    assert found.casefold() not in {name.casefold() for name in taken}
    assert found == free(wanted, reversed(taken)), "the same in every process"


@pytest.mark.parametrize("taken", [[], ["x"], ["q1", "aq"]])
def test_a_name_that_is_free_is_taken_as_it_is(taken: list[str]) -> None:
    assert free("q", taken) == "q"


def merged(*columns: str, disposition: str = "merge", target: str = "d") -> Publication:
    return Publication(
        disposition, "s", f'"s"."{target}"', '"s"."w"', "w", columns, key=columns[:1], by_key=True,
        newest_by=columns[1],
    )  # fmt: skip


KEY = Key((KeyColumn("k", "OPERATOR(pg_catalog.=)", "", image_equal=True),))


def test_plain_names_have_plain_helpers() -> None:
    assert 'AS "place" FROM' in staging.tied(merged("k", "at"))
    assert '"mapper_dask place"' in oracle_staging.tied(merged("k", "at"))


def test_a_column_place_has_another_one_beside_it() -> None:
    sql = staging.tied(merged("place", "PLACE_1"))
    assert '"place_2"' in sql
    assert 'ranked."place_2" OPERATOR' in sql
    sql = oracle_staging.enter(merged("id", "mapper_dask place"))
    assert '"mapper_dask place_1"' in sql


def test_a_target_called_excluded_stands_under_an_alias() -> None:
    assert staging.insert(merged("k", "at", target="excluded")).startswith(
        'INSERT INTO "s"."excluded" AS t ("k", "at")'
    )


def test_an_old_oracle_numbers_rows_beside_a_column_of_that_name() -> None:
    names = ("id", "mapper_dask place")
    columns = tuple(
        column_of_table(
            name, "NUMBER", 9, 0, None, nullable=False, has_default=False, generated=False
        )
        for name in names
    )
    query = SourceQuery("SELECT * FROM t", columns, columns[:1])
    sql = oracle_queries.chunk_query(query, Chunk(0, ChunkKind.WINDOW, offset=4, limit=2), 11)
    assert 'ROWNUM AS "mapper_dask place_1"' in sql
    assert 'WHERE q."mapper_dask place_1" > 4' in sql
    assert "q.*" not in sql, "a column that is not read may have that name as well"


# -- how they are written --------------------------------------------------------------------------

ALIASES = {
    "postgresql": {"q", "s", "t", "n", "f", "x", "ranked", "tied"},
    "oracle": {"q", "s", "t", "x", "o", "d", "a", "n"},
}
"""Table expressions in SQL that Python composes: each is a qualifier only."""

OF_TABLE = re.compile(
    r"(?:\)|FROM [\w.{}]+|UPDATE [\w.{}]+|INTO [\w.{}]+) (?:AS )?([a-z]\w*)\b(?! *\()"
)
KEYWORDS = {"values", "using", "where", "set", "on", "as", "is", "with", "and", "or"}
BARE = re.compile(r"(?<![\w.)\"'%:{])([a-z]\w*)::|\b(?:to_jsonb|row_to_json|md5)\(([a-z]\w*)\)")
"""A name with a cast, or as a row: whose it is, a column of the user's decides."""


def texts(dialect: str) -> list[tuple[str, str]]:
    """Return the texts of a dialect's Python files, what is composed into them left out."""
    found = []
    for file in (resources.files("mapper_dask.dialects") / dialect).iterdir():
        if not file.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
                found.append((file.name, "".join(map(str, parts))))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((file.name, node.value))
    return [
        (name, text) for name, text in found if re.search(r"\b(SELECT|FROM|INTO|UPDATE)\b", text)
    ]


@pytest.mark.parametrize("dialect", ALIASES)
def test_every_table_expression_has_a_name_that_is_known(dialect: str) -> None:
    found = {
        alias
        for _, text in texts(dialect)
        if not text.startswith("Return")
        for alias in OF_TABLE.findall(text)
        if alias.lower() not in KEYWORDS and alias.islower() and len(alias) <= len("ranked")
    }
    prose = {word for word in found if len(word) > 1} - {"ranked", "tied"}
    assert found - prose <= ALIASES[dialect]


def test_no_row_is_meant_by_a_name_alone() -> None:
    """``q::text`` is the column q where the user has one, and the row where not."""
    bare = [
        (file, text)
        for file, text in texts("postgresql")
        for found in BARE.findall(text)
        if {*found} & ALIASES["postgresql"]
    ]
    assert bare == []
    assert "(q.*)::pg_catalog.text" in queries.DIGEST
