"""On Oracle too a success is a table that holds the rows: each attack is counted afterwards.

The triggers are written in the language of the database behind the stand-in; what they do to the
rows is what Oracle's do: drop one, keep one, remove one after the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mapper_dask.dialects.oracle import session
from mapper_dask.errors import TargetError
from tests.builders import job_between, run_here
from tests.contract import sides
from tests.contract.sides import Side
from tests.database import Database, Databases

ROWS, OLD = 400, 100

WAYS: dict[str, dict[str, Any]] = {
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "referred": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "v"},
}
BY_KEY = ("referred", "merge", "newest")
TAKE = "DELETE FROM {table} WHERE {id} = NEW.{id};"

STOLEN_BY = {
    "removes each row": (TAKE, "AFTER INSERT ON {table} FOR EACH ROW", "NULL", tuple(WAYS)),
    "removes one of all": (
        "DELETE FROM {table} WHERE {id} = 77;", "AFTER INSERT ON {table}", "NULL", tuple(WAYS),
    ),
    "drops a row": (
        "IF NEW.{id} = 77 THEN RETURN NULL; END IF;", "BEFORE INSERT ON {table} FOR EACH ROW",
        "NEW", tuple(WAYS),
    ),
    "keeps old rows": ("", "BEFORE DELETE ON {table} FOR EACH ROW", "NULL",
                       ("replace", "referred")),
    "drops changes": ("", "BEFORE UPDATE ON {table} FOR EACH ROW", "NULL", BY_KEY),
    "removes changed rows": (TAKE, "AFTER UPDATE ON {table} FOR EACH ROW", "NULL", BY_KEY),
    "removes old rows": (
        "DELETE FROM {table} WHERE {v} = 0;", "AFTER INSERT ON {table}", "NULL",
        ("atomic", "merge", "newest"),
    ),
}  # fmt: skip
CASES = [(name, way) for name, (*_, ways) in STOLEN_BY.items() for way in ways]


@dataclass(frozen=True)
class Shop:
    """A PostgreSQL source, an Oracle target, and the database behind that."""

    source: Side
    target: Side
    behind: Database
    table: str

    def make(self, statement: str) -> None:
        """Run a statement behind the stand-in, where names are in upper case."""
        [(owner,)] = self.target.query(
            f"SELECT owner FROM all_tables WHERE table_name = '{self.table.upper()}'"
        )
        named = {"table": f'"{owner}"."{self.table.upper()}"', "id": '"ID"', "v": '"V"'}
        self.behind.execute(statement.format(**named).replace("%", "%%"))

    def trigger(self, body: str, when: str, returns: str = "NULL") -> None:
        """Make a trigger named THIEF."""
        self.make(
            "CREATE OR REPLACE FUNCTION ora.steal() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body} RETURN {returns}; END $$"
        )
        self.make(f'CREATE TRIGGER "THIEF" {when} EXECUTE FUNCTION ora.steal()')

    def move(self, there: str, way: str | None = None, **options: Any) -> Any:
        usual = {"key_column": "id", "chunk_size": 150, **(WAYS[way] if way else {})}
        job = job_between(self.source, there, self.target, self.table, **{**usual, **options})
        return run_here(job)

    def held(self) -> tuple[int, int]:
        """Return the old rows and the new ones that the target holds."""
        found = self.target.query(f"SELECT v FROM {self.table}")
        return sum(v == 0 for (v,) in found), sum(v != 0 for (v,) in found)


KINDS = {"id": "integer NOT NULL", "v": "integer"}


@pytest.fixture
def shop(databases: Databases, standin: Any) -> Iterator[Callable[[str | None], tuple[Shop, str]]]:
    """What makes a filled shop for a way: old rows overlap the new ones where they are merged."""
    source, target = sides.postgresql(databases.source), sides.oracle(standin.url("target"))
    behind = Database(standin.postgres.replace("postgresql://", "postgresql+psycopg2://"))

    def filled(way: str | None) -> tuple[Shop, str]:
        there, here = source.table(KINDS), target.table(KINDS, "PRIMARY KEY (id)")
        source.insert(there, KINDS, [(n, n) for n in range(1, ROWS + 1)])
        first = ROWS + 1 if way in (None, "atomic") else ROWS - OLD // 2 + 1
        target.insert(here, KINDS, [(n, 0) for n in range(first, first + OLD)])
        if way == "referred":
            child = target.table({"id": "integer"}, f"FOREIGN KEY (id) REFERENCES {here} (id)")
            target.made.remove(child)
            target.made.insert(0, child)
        return Shop(source, target, behind, here), there

    yield filled
    source.clean()
    target.clean()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_exact_where_nothing_steals(shop: Any, way: str) -> None:
    made, there = shop(way)
    made.move(there, way).raise_for_status()
    old = {"atomic": OLD, "merge": OLD // 2, "newest": OLD // 2}.get(way, 0)
    assert made.held() == (old, ROWS)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_what_is_stolen_is_no_success(shop: Any, name: str, way: str) -> None:
    made, there = shop(way)
    body, when, returns, _ = STOLEN_BY[name]
    made.trigger(body, when, returns)
    result = made.move(there, way)
    assert not result.succeeded, made.held()
    assert "THIEF" in " ".join(result.errors)
    assert "THIEF" in " ".join(result.warnings)
    assert made.held() == (OLD, 0), "as it was"


def test_an_append_names_what_cannot_be_counted(shop: Any) -> None:
    made, there = shop(None)
    made.trigger("", "AFTER INSERT ON {table} FOR EACH ROW")
    result = made.move(there).raise_for_status()
    assert any("THIEF" in note and "not what they made of them" in note for note in result.warnings)
    assert made.held() == (OLD, ROWS)


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_policies_hide_are_refused(shop: Any, way: str) -> None:
    made, there = shop(way)
    made.make('CREATE POLICY "MINE" ON {table} USING (true)')
    made.make("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TargetError, match="MINE"):
        made.move(there, way)
    assert made.held() == (OLD, 0)


def test_rows_that_are_all_key_are_merged(shop: Any) -> None:
    made, there = shop("merge")
    made.target.execute(f"ALTER TABLE {made.table} DROP COLUMN v")
    for _ in range(2):
        made.move(there, "merge", source_sql=f"SELECT id FROM {there}").raise_for_status()
    assert len(made.target.query(f"SELECT id FROM {made.table}")) == ROWS + OLD // 2


def test_a_session_waits_for_its_commits() -> None:
    """Whatever COMMIT_WAIT the database has: an acknowledged commit is on disk."""
    assert "COMMIT_WAIT = WAIT" in session.statements("session")[0]
