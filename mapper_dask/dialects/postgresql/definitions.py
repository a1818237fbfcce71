"""How the catalogue defines the tables and types that a run relies on, when planned and later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mapper_dask.dialects.postgresql.named_queries import run, text
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.definition import COLUMN, HOOK, TABLE, Definition, Relied, Trait
from mapper_dask.schema.facts import Column, Needs

NOTED, NOTHING_NOTED = "mapper_dask.read", "mapper_dask.nothing"
"""Settings of a session: in the first, a read leaves what it has read for the next statement."""

FOREIGN = "f"


def of_target(conn: Driver, quoted: str) -> Definition:
    """Return how the table of that name is defined now; empty when there is none.

    What a load has locked can't change between this and the end of its transaction.
    """
    return _whole(conn, run(conn, "definition", _of_target(name=quoted)), [])


def of_number(conn: Driver, table_id: int) -> Definition:
    """Return how a table is defined that the login may have no right to look up by its name."""
    return _whole(conn, run(conn, "definition", _of_target(table_id)), [])


def relied(conn: Driver, columns: Sequence[Column]) -> Relied | None:
    """Return what the queries of this transaction have read, and how it is defined."""
    read = run(conn, "relations_read")
    relations = tuple(sorted(number for number, _, _, is_child in read if not is_child))
    names = [column.key_type or column.type_name for column in columns if not column.native]
    types = tuple(number for (number,) in run(conn, "types_named", {"names": names}))
    asked = {**_of_target(*relations), "hooks": False}
    definition = _whole(conn, run(conn, "definition", asked), types)
    foreign = tuple(sorted(name for _, name, kind, _ in read if kind == FOREIGN))
    return Relied(relations, types, definition, foreign)


def missing_grants(conn: Driver, needs: Needs) -> list[str]:
    """Return each GRANT that this login lacks for a job, as a statement."""
    values = asdict(needs)
    wanted = {"rights": list(needs.rights), "names": list(needs.names or ())}
    known = {"known": needs.names is not None}
    rows = run(conn, "missing_grants", {**values, **wanted, **known})
    return [str(statement) for (statement,) in rows]


def source_definition(conn: Driver, relied: Relied) -> Definition:
    """End a read's transaction; return how what was planned, and what it read, is defined now.

    Only a snapshot of now shows it: the transaction's own shows the catalogue as it was.
    """
    tables = [trait.of for trait in relied.definition if trait.kind == TABLE]
    known = {
        name for table in tables for name in (table.partition(".")[2], table.rpartition(".")[2])
    }
    asked = {
        "relations": list(relied.relations), "name": None, "read": NOTED, "hooks": False,
        "known": sorted(known),
    }  # fmt: skip
    with conn.cursor() as cursor:
        both = f"{text('note_relations_read')}\n{text('definition')}"
        cursor.execute(both, asked)
        rows = cursor.fetchall()
    return _whole(conn, rows, relied.types)


def _whole(conn: Driver, rows: Sequence[tuple[Any, ...]], types: Sequence[int]) -> Definition:
    """Return the definitions of columns, and what else must be asked for."""
    tables = {number: (name, kind) for name, number, kind, *_ in rows}
    traits = [
        Trait(TABLE, name, "", kind, place=str(number)) for number, (name, kind) in tables.items()
    ]
    traits += [
        Trait(COLUMN, relation, name, text, mark, str(place))
        for relation, _, _, _, name, text, place, mark, _, _ in rows
        if name is not None
    ]
    hooks = {(row[0], hook) for row in rows for hook in row[-1] or ()}
    traits += [Trait(HOOK, relation, hook, "") for relation, hook in hooks]
    if types or any(children or of_users for _, _, _, children, *_, of_users, _ in rows):
        asked = {"relations": list(tables), "types": list(types)}
        traits += [Trait(*row) for row in run(conn, "definition_of_types", asked)]
    return tuple(sorted(traits, key=lambda trait: (trait.kind, trait.of, trait.name)))


def _of_target(*table_ids: int, name: str | None = None) -> dict[str, Any]:
    return {
        "relations": list(table_ids),
        "name": name,
        "read": NOTHING_NOTED,
        "hooks": True,
        "known": [],
    }
