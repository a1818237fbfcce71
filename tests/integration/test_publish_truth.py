"""A success is a table that holds the rows: what triggers, rules and policies do is found out.

Every attack here let a run report success over a table that did not hold its rows, or held others
beside them. Each is counted in the target afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask.errors import TargetError
from tests import builders
from tests.database import Database, Databases, Server, fresh_databases

ROWS = 1_000
OLD = 500

WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "function": {"transformation_logic": lambda frame: frame},
    "rejects": {"reject_limit": 10},
    "atomic": {"atomic": True},
    "replace": {"write_disposition": "replace"},
    "referred": {"write_disposition": "replace"},
    "merge": {"write_disposition": "merge"},
    "newest": {"write_disposition": "merge", "newest_by": "v"},
}
"""How rows enter a table; ``referred`` is a replacement of a table that others refer to."""

CHUNKWISE = ("append", "function", "rejects")
AT_ONCE = tuple(way for way in WAYS if way not in CHUNKWISE)
BY_KEY = ("referred", "merge", "newest")
CREATE = "CREATE TABLE d (id int PRIMARY KEY, name text, v int)"


def trigger(body: str, when: str, *, returns: str = "NULL", after: str = "") -> tuple[str, ...]:
    """Return statements that make a trigger named thief; ``when`` is its head."""
    name = "CONSTRAINT TRIGGER" if "DEFER" in when else "TRIGGER"
    return (
        (
            "CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body} RETURN {returns}; END $$"
        ),
        f"CREATE {name} thief {when} EXECUTE FUNCTION steal()",
        *((after,) if after else ()),
    )


TAKE = "DELETE FROM d WHERE id = NEW.id;"
TRANSITION = "AFTER INSERT ON d REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"

STOLEN_BY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "an AFTER trigger deletes each row": (
        trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW"), tuple(WAYS),
    ),
    "an AFTER trigger deletes one row of all": (
        trigger("DELETE FROM d WHERE id = 777;", "AFTER INSERT ON d FOR EACH STATEMENT"),
        tuple(WAYS),
    ),
    "a trigger moves rows elsewhere": (
        ("CREATE TABLE e AS SELECT * FROM d WHERE false",
         *trigger("INSERT INTO e SELECT NEW.*; " + TAKE, "AFTER INSERT ON d FOR EACH ROW")),
        tuple(WAYS),
    ),
    "a statement trigger deletes what its transition table shows": (
        trigger("DELETE FROM d USING fresh WHERE fresh.id = d.id AND d.id % 2 = 0;", TRANSITION),
        tuple(WAYS),
    ),
    "a constraint trigger deletes at commit": (
        trigger(TAKE, "AFTER INSERT ON d DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"),
        tuple(WAYS),
    ),
    "a trigger that is enabled always": (
        (*trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW"),
         "ALTER TABLE d ENABLE ALWAYS TRIGGER thief"),
        tuple(WAYS),
    ),
    "a BEFORE trigger drops a row": (
        trigger("IF NEW.id = 777 THEN RETURN NULL; END IF;",
                "BEFORE INSERT ON d FOR EACH ROW", returns="NEW"),
        tuple(way for way in WAYS),
    ),
    "a BEFORE DELETE trigger keeps rows": (
        trigger("", "BEFORE DELETE ON d FOR EACH ROW"), ("replace", "referred"),
    ),
    "a BEFORE UPDATE trigger drops changes": (
        trigger("", "BEFORE UPDATE ON d FOR EACH ROW"), BY_KEY,
    ),
    "an AFTER UPDATE trigger deletes the row": (
        trigger(TAKE, "AFTER UPDATE ON d FOR EACH ROW"), BY_KEY,
    ),
    "an AFTER DELETE trigger puts the row back": (
        trigger("INSERT INTO d VALUES (OLD.id + 100000, 'back', 0);",
                "AFTER DELETE ON d FOR EACH ROW"), ("replace", "referred"),
    ),
}  # fmt: skip
"""What is made on the target, and the ways in which it steals."""

CASES = [
    pytest.param(name, way, id=f"{name}: {way}")
    for name, (_, ways) in STOLEN_BY.items()
    for way in ways
]


@pytest.fixture(scope="module")
def pair(postgres_server: Server) -> Iterator[Databases]:
    """Two databases for all of this file: hundreds of small runs."""
    with fresh_databases(postgres_server) as fresh:
        yield builders.make_shop(fresh, ROWS, "'new' AS name, g AS v")


@pytest.fixture
def shop(pair: Databases) -> Databases:
    """1,000 rows ``new`` to move into a table of 500 rows ``old``."""
    make(pair.target, (
        "DROP FOREIGN DATA WRAPPER IF EXISTS far CASCADE",
        "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", CREATE,
    ))  # fmt: skip
    return pair


def fill(target: Database, way: str) -> None:
    """Put the old rows in: those that append must not meet lie apart, the others half within."""
    first = ROWS + 1 if WAYS[way].get("write_disposition") is None else ROWS - OLD // 2
    target.execute(
        "INSERT INTO d SELECT g, 'old', 0 FROM generate_series(%s, %s) g", first, first + OLD - 1
    )
    if way == "referred":
        target.execute("CREATE TABLE child (id int REFERENCES d)")


def move(databases: Databases, way: str = "append", **options: Any) -> Any:
    usual = {"chunk_size": 300, "key_column": "id"}
    return builders.move(databases, **{**usual, **WAYS[way], **options})


def under(target: Database, options: str) -> str:
    """Return a URL whose sessions begin with some settings."""
    url = sa.make_url(target.url).update_query_dict({"options": options})
    return url.render_as_string(hide_password=False)


def names(target: Database, table: str = "d") -> dict[str, int]:
    return dict(target.fetch(f"SELECT name, count(*) FROM {table} GROUP BY name"))


def expected(way: str) -> dict[str, int]:
    """Return what the table holds after a run that nothing stood against."""
    kept = {"append": OLD, "replace": 0, "merge": OLD // 2 - 1}
    old = kept[WAYS[way].get("write_disposition", "append")]
    return {"new": ROWS, **({"old": old} if old else {})}


def make(target: Database, statements: tuple[str, ...]) -> None:
    for statement in statements:
        target.execute(statement.replace("%", "%%"))


# -- nothing is taken for granted -----------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_exact_where_nothing_steals(shop: Databases, way: str) -> None:
    fill(shop.target, way)
    move(shop, way).raise_for_status()
    assert names(shop.target) == expected(way)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_what_is_stolen_is_no_success(shop: Databases, name: str, way: str) -> None:
    fill(shop.target, way)
    make(shop.target, STOLEN_BY[name][0])
    result = move(shop, way, on_error="continue")
    held = names(shop.target)
    assert not result.succeeded, (result.total_rows_successful, held)
    assert "thief" in " ".join((*result.errors, *result.warnings)), result.errors
    if way in AT_ONCE:
        assert held == {"old": OLD}, "as it was"
        assert result.total_rows_successful == 0
    else:
        assert held.get("old") == OLD
        assert held.get("new", 0) == result.total_rows_successful, "what is counted is there"


@pytest.mark.parametrize("way", WAYS)
def test_a_trigger_that_takes_nothing_is_named_and_lets_the_rows_pass(
    shop: Databases, way: str
) -> None:
    """It writes an audit, changes values, updates other rows, and adds some: it is not a thief."""
    fill(shop.target, way)
    make(shop.target, (
        "CREATE TABLE audit (id int)",
        *trigger("INSERT INTO audit VALUES (NEW.id); NEW.v := NEW.v + 1;",
                 "BEFORE INSERT OR UPDATE ON d FOR EACH ROW", returns="NEW"),
        ("CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE audit SET id = id; RETURN NULL; END $$"),
        "CREATE TRIGGER honest AFTER INSERT ON d EXECUTE FUNCTION mark()",
    ))  # fmt: skip
    result = move(shop, way).raise_for_status()
    assert names(shop.target) == expected(way)
    assert any("thief (BEFORE INSERT OR UPDATE, row)" in note for note in result.warnings)


@pytest.mark.parametrize("way", ["append", "function", "atomic"])
def test_a_trigger_may_delete_rows_of_others(shop: Databases, way: str) -> None:
    """One that keeps the table short takes old rows; the run's own are all there."""
    fill(shop.target, way)
    make(shop.target, trigger("DELETE FROM d WHERE name = 'old';", "AFTER INSERT ON d"))
    move(shop, way).raise_for_status()
    assert names(shop.target) == {"new": ROWS}


@pytest.mark.parametrize("way", ["append", "function"])
def test_who_may_only_insert_is_told_that_rows_were_deleted(
    shop: Databases, clerk: str, way: str
) -> None:
    """Whose rows they were could be seen only by reading the table."""
    fill(shop.target, way)
    make(shop.target, (
        *trigger("DELETE FROM d WHERE name = 'old';", "AFTER INSERT ON d"),
        "ALTER FUNCTION steal() SECURITY DEFINER",
        f"REVOKE ALL ON d FROM {clerk}", f"GRANT INSERT ON d TO {clerk}",
    ))  # fmt: skip
    result = move(shop, way, target_conn=under(shop.target, f"-crole={clerk}"))
    assert "500 of its rows were deleted again" in result.errors[0]
    assert names(shop.target) == {"old": OLD}


@pytest.mark.parametrize("way", CHUNKWISE)
def test_deferred_triggers_do_not_hurt_rows_that_refer_to_later_ones(
    shop: Databases, way: str
) -> None:
    """What is deferred happens once a chunk is whole, not between its batches."""
    make(shop.target, (
        "ALTER TABLE d ADD FOREIGN KEY (v) REFERENCES d DEFERRABLE INITIALLY DEFERRED",
        *trigger("", "AFTER INSERT ON d FOR EACH ROW"),
    ))  # fmt: skip
    sql = (
        f"SELECT id, name, CASE WHEN id % 2 = 1 THEN id + 1 ELSE id - 1 END AS v "
        f"FROM s WHERE id <= {ROWS}"
    )
    move(shop, way, source_sql=sql, chunk_size=ROWS).raise_for_status()
    assert names(shop.target) == {"new": ROWS}


@pytest.mark.parametrize("way", CHUNKWISE)
def test_rejects_beside_triggers_are_counted_right(shop: Databases, way: str) -> None:
    """Rows that were loaded and taken back between savepoints are not missed afterwards."""
    fill(shop.target, way)
    make(shop.target, (*trigger("", "AFTER INSERT ON d FOR EACH ROW"),
                       "ALTER TABLE d ADD CHECK (v <> 333 AND v <> 334)"))  # fmt: skip
    result = move(shop, way, reject_limit=10).raise_for_status()
    assert names(shop.target) == {"old": OLD, "new": ROWS - 2}
    assert result.total_rows_rejected == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("of", ["parent", "partition"])
def test_a_trigger_on_a_partition(shop: Databases, way: str, of: str) -> None:
    make(shop.target, (
        "DROP TABLE d", CREATE + " PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF d FOR VALUES FROM (0) TO (600)",
        "CREATE TABLE high PARTITION OF d FOR VALUES FROM (600) TO (9999999)",
    ))  # fmt: skip
    fill(shop.target, way)
    table = "d" if of == "parent" else "low"
    make(shop.target, trigger(TAKE, f"AFTER INSERT ON {table} FOR EACH ROW"))
    result = move(shop, way, on_error="continue")
    held = names(shop.target)
    assert not result.succeeded
    assert held.get("new", 0) == result.total_rows_successful
    assert held["old"] == OLD


@pytest.mark.parametrize("way", WAYS)
def test_a_partition_loaded_by_its_own_name(shop: Databases, way: str) -> None:
    """It bears its parent's trigger, which the catalogue calls internal in some versions."""
    make(shop.target, (
        "ALTER TABLE d RENAME TO flat", "ALTER INDEX d_pkey RENAME TO flat_pkey",
        CREATE.replace("TABLE d", "TABLE p") + " PARTITION BY RANGE (id)",
        "CREATE TABLE d PARTITION OF p FOR VALUES FROM (0) TO (9999999)",
    ))  # fmt: skip
    fill(shop.target, way)
    make(shop.target, trigger(TAKE, "AFTER INSERT ON p FOR EACH ROW"))
    result = move(shop, way, on_error="continue")
    assert not result.succeeded
    assert names(shop.target) == {"old": OLD}


# -- refused before a row moves -------------------------------------------------------------------

RULES = {
    "INSERT": ("INSERT DO INSTEAD NOTHING", tuple(WAYS)),
    "INSERT beside": ("INSERT DO ALSO DELETE FROM d WHERE name = 'new'", tuple(WAYS)),
    "UPDATE": ("UPDATE DO INSTEAD NOTHING", BY_KEY),
    "DELETE": ("DELETE DO INSTEAD NOTHING", ("replace", "referred")),
    "DELETE beside": ("DELETE DO ALSO INSERT INTO d VALUES (-1, 'old', 0)", ("replace",)),
}


@pytest.mark.parametrize(
    ("rule", "way"), [(rule, way) for rule, (_, ways) in RULES.items() for way in ways]
)
def test_a_rule_is_refused(shop: Databases, rule: str, way: str) -> None:
    fill(shop.target, way)
    event, _, action = RULES[rule][0].partition(" ")
    make(shop.target, (f"CREATE RULE swallow AS ON {event} TO d {action}",))
    with pytest.raises(TargetError, match=r"rules.*swallow \(ON .*DISABLE RULE"):
        move(shop, way)
    assert names(shop.target) == {"old": OLD}


def test_rules_that_touch_nothing_of_this_do_not_matter(shop: Databases) -> None:
    make(shop.target, (
        "CREATE RULE one AS ON DELETE TO d DO INSTEAD NOTHING",
        "CREATE RULE two AS ON INSERT TO d DO INSTEAD NOTHING",
        "ALTER TABLE d DISABLE RULE two",
    ))  # fmt: skip
    fill(shop.target, "append")
    move(shop).raise_for_status()
    assert names(shop.target) == {"old": OLD, "new": ROWS}


@pytest.fixture
def clerk(shop: Databases) -> Iterator[str]:
    """A role that row security binds."""
    name = f"mapper_dask_test_{uuid.uuid4().hex[:12]}"
    make(shop.target, (
        f"CREATE ROLE {name}", f"GRANT CREATE, USAGE ON SCHEMA public TO {name}",
        f"GRANT ALL ON d TO {name}",
    ))  # fmt: skip
    yield name
    make(shop.target, (f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}"))


@pytest.mark.parametrize("forced", [False, True], ids=["granted", "owner forced"])
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_policies_hide_are_refused(
    shop: Databases, clerk: str, way: str, *, forced: bool
) -> None:
    fill(shop.target, way)
    make(shop.target, (
        "ALTER TABLE d ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON d USING (name = 'new')",
        *((f"ALTER TABLE d OWNER TO {clerk}", "ALTER TABLE d FORCE ROW LEVEL SECURITY")
          if forced else ()),
    ))  # fmt: skip
    with pytest.raises(TargetError, match=r"mine|row-level security") as raised:
        move(shop, way, target_conn=under(shop.target, f"-crole={clerk}"))
    if way in AT_ONCE:
        assert "BYPASSRLS" in str(raised.value)
    assert names(shop.target) == {"old": OLD}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_others_inherit_from(shop: Databases, way: str) -> None:
    """Its children's rows are not its own: no replacement removes them, no merge finds them."""
    make(shop.target, ("CREATE TABLE heir () INHERITS (d)",
                       "INSERT INTO heir VALUES (-1, 'old', 0)"))  # fmt: skip
    fill(shop.target, way)
    if way in (*CHUNKWISE, "atomic"):
        move(shop, way).raise_for_status()
        assert names(shop.target, "ONLY d") == {"old": OLD, "new": ROWS}
    else:
        with pytest.raises(TargetError, match=r"heir|primary_key"):
            move(shop, way)
        assert names(shop.target, "ONLY d") == {"old": OLD}
    assert names(shop.target, "heir") == {"old": 1}


@pytest.mark.parametrize("way", WAYS)
def test_a_view_with_a_trigger_in_the_place_of_the_insert(shop: Databases, way: str) -> None:
    fill(shop.target, way)
    make(shop.target, (
        "CREATE VIEW shown AS SELECT * FROM d",
        *trigger("", "INSTEAD OF INSERT ON shown FOR EACH ROW", returns="NEW"),
    ))  # fmt: skip
    if way in AT_ONCE:
        with pytest.raises(TargetError, match=r"INSTEAD OF triggers|primary_key"):
            move(shop, way, target_table="shown")
    else:
        result = move(shop, way, target_table="shown")
        assert any("thief" in n and "not what they made" in n for n in result.warnings)
    assert names(shop.target) == {"old": OLD}


@pytest.mark.parametrize("way", ["atomic", "replace"])
def test_a_view_shows_the_triggers_of_its_table(shop: Databases, way: str) -> None:
    fill(shop.target, way)
    make(shop.target, ("CREATE VIEW shown AS SELECT * FROM d",
                       *trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW")))  # fmt: skip
    result = move(shop, way, target_table="shown")
    assert not result.succeeded
    assert "thief" in " ".join(result.errors)
    assert names(shop.target) == {"old": OLD}


@pytest.mark.parametrize("way", [*CHUNKWISE, "atomic", "replace"])
@pytest.mark.parametrize("as_partition", [False, True], ids=["table", "partition"])
def test_a_foreign_table_is_refused(shop: Databases, way: str, *, as_partition: bool) -> None:
    make(shop.target, ("DROP TABLE d", "CREATE FOREIGN DATA WRAPPER far",
                       "CREATE SERVER away FOREIGN DATA WRAPPER far"))  # fmt: skip
    if as_partition:
        make(shop.target, (
            "CREATE TABLE d (id int, name text, v int) PARTITION BY RANGE (id)",
            "CREATE FOREIGN TABLE there PARTITION OF d FOR VALUES FROM (500) TO (600) SERVER away",
        ))  # fmt: skip
    else:
        make(shop.target, ("CREATE FOREIGN TABLE d (id int, name text, v int) SERVER away",))
    with pytest.raises(TargetError, match="foreign table, which commits apart from the ledger"):
        move(shop, way)


# -- what comes about in mid-run ------------------------------------------------------------------


class Saboteur:
    """A function that passes rows on, and at one of them makes something of the target."""

    def __init__(self, target: Database, statements: tuple[str, ...]) -> None:
        self.target, self.statements = target, statements

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame["id"] == ROWS).any():
            make(self.target, self.statements)
            self.statements = ()
        return frame


@pytest.mark.parametrize("way", AT_ONCE)
@pytest.mark.parametrize("what", ["trigger", "rule"])
def test_what_is_made_before_the_rows_are_published_is_found(
    shop: Databases, way: str, what: str
) -> None:
    fill(shop.target, way)
    made = (
        trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW")
        if what == "trigger"
        else ("CREATE RULE thief AS ON INSERT TO d DO INSTEAD NOTHING",)
    )
    result = move(shop, way, transformation_logic=Saboteur(shop.target, made))
    assert not result.succeeded
    assert "thief" in " ".join(result.errors)
    assert names(shop.target) == {"old": OLD}


def fails(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["id"] == ROWS).any():
        message = "not yet"
        raise ValueError(message)
    return frame


def passes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


passes.__qualname__ = fails.__qualname__


@pytest.mark.parametrize("way", [way for way in WAYS if way != "rejects"])
def test_a_run_that_is_resumed_is_held_to_the_same(shop: Databases, way: str) -> None:
    fill(shop.target, way)
    options = {"on_error": "continue", "run_id": "r"}
    assert not move(shop, way, transformation_logic=fails, **options).succeeded
    before = names(shop.target)
    make(shop.target, trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW"))
    result = move(shop, way, transformation_logic=passes, **options)
    assert not result.succeeded
    assert names(shop.target) == before
    make(shop.target, ("DROP TRIGGER thief ON d",))
    move(shop, way, transformation_logic=passes, **options).raise_for_status()
    assert names(shop.target) == expected(way)


# -- sessions that fire other triggers, servers that do not count ----------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_triggers_for_replicas_fire_in_a_session_of_one(shop: Databases, way: str) -> None:
    fill(shop.target, way)
    make(shop.target, (*trigger(TAKE, "AFTER INSERT ON d FOR EACH ROW"),
                       "ALTER TABLE d ENABLE REPLICA TRIGGER thief"))  # fmt: skip
    url = under(shop.target, "-csession_replication_role=replica")
    result = move(shop, way, target_conn=url)
    assert not result.succeeded
    assert names(shop.target) == {"old": OLD}
    done = move(shop, way).raise_for_status()
    assert not any("thief" in note for note in done.warnings), "here it does not fire"
    assert names(shop.target) == expected(way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steals", [False, True])
def test_a_server_that_does_not_count_tables(shop: Databases, way: str, *, steals: bool) -> None:
    """Rows are counted by the mark of their transaction; between savepoints nobody can tell."""
    fill(shop.target, way)
    make(shop.target, trigger(TAKE if steals else "", "AFTER INSERT ON d FOR EACH ROW"))
    result = move(shop, way, target_conn=under(shop.target, "-ctrack_counts=off"))
    if steals or way == "rejects":
        assert not result.succeeded
        assert names(shop.target) == {"old": OLD}
    else:
        result.raise_for_status()
        assert names(shop.target) == expected(way)


def as_it_came(frame: Any) -> Any:
    return frame


@pytest.mark.parametrize("function", [None, as_it_came], ids=["relay", "function"])
def test_a_trigger_that_drops_rows_is_named_by_the_chunk_that_misses_them(
    databases: Databases, function: Any
) -> None:
    databases.source.execute("CREATE TABLE s AS SELECT g AS id FROM generate_series(1, 50) g")
    databases.target.execute(
        "CREATE TABLE d (id int); CREATE FUNCTION fussy() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF new.id % 10 = 0 THEN RETURN NULL; END IF; RETURN new; END'; "
        "CREATE TRIGGER fussy BEFORE INSERT ON d FOR EACH ROW EXECUTE FUNCTION fussy()".replace(
            "%", "%%"
        )
    )
    result = builders.move(databases, transformation_logic=function)
    assert "45 arrived" in str(result.errors)
    assert "fussy" in str(result.errors)
    assert databases.target.fetch("SELECT count(*) FROM d") == [(0,)]
