"""Synonyms, and the texts of views: what definitions leave behind, and what names stand for."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from sqlglot import exp

NAME = r'((?:"[^"]+"|[\w$#]+)(?:\.(?:"[^"]+"|[\w$#]+))?)'
CREATE = (
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(PUBLIC\s+)?SYNONYM\s+"
    rf"{NAME}\s+FOR\s+{NAME}(?:@([\w.$#]+))?\s*$"
)
DROP = rf"\s*DROP\s+(PUBLIC\s+)?SYNONYM\s+{NAME}\s*$"
VIEW = re.compile(
    rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+{NAME}\s*(?:\([^()]*\))?\s+AS\s+(.*)",
    re.IGNORECASE | re.DOTALL,
)
CLOSED = re.compile(r"\s+WITH\s+READ\s+ONLY\s*$", re.IGNORECASE)

Synonym = tuple[str, str, str, str]
"""Owner, name, and what it stands for: owner and name."""


def create(found: re.Match[str]) -> str:
    """Return the statement that enters a synonym."""
    public, name, target, link = found.groups()
    owner, own = _parts(name)
    table_owner, table = _parts(target)
    owner = "'PUBLIC'" if public else owner
    at = f"'{link.upper()}'" if link else "NULL"
    return (
        f"INSERT INTO ora.synonyms VALUES ({owner}, {own}, {table_owner}, {table}, {at}) "
        "ON CONFLICT (owner, name) DO UPDATE SET table_owner = excluded.table_owner, "
        "table_name = excluded.table_name, link = excluded.link"
    )


def drop(found: re.Match[str]) -> str:
    """Return the statement that takes a synonym away."""
    public, name = found.groups()
    owner, own = _parts(name)
    owner = "'PUBLIC'" if public else owner
    return f"DELETE FROM ora.synonyms WHERE owner = {owner} AND name = {own}"


def _parts(name: str) -> tuple[str, str]:
    """Return owner and name as values of SQL's; what is written without an owner is one's own."""
    parts = [
        p[1:-1] if p.startswith('"') else p.upper() for p in re.findall(r'"[^"]+"|[^."]+', name)
    ]
    texts = [f"'{part}'" for part in parts]
    return texts[0] if len(texts) > 1 else "current_schema::varchar", texts[-1]


def known(dsn: str) -> tuple[Synonym, ...]:
    """Return all that stand for something of this database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "SELECT owner, name, table_owner, table_name FROM ora.synonyms WHERE link IS NULL"
        return tuple(connection.execute(query).fetchall())


def replaced(
    tree: exp.Expression, synonyms: tuple[Synonym, ...], user: str
) -> list[tuple[str, str]]:
    """Put what they stand for in the place of synonyms; return which were used."""
    targets = {(owner, name): (there, own) for owner, name, there, own in synonyms}
    used: list[tuple[str, str]] = []

    def target(owner: str | None, name: str) -> tuple[str, str] | None:
        place = next(
            (
                p
                for p in ((owner or user, name), ("PUBLIC", name))
                if p in targets and (owner is None or p[0] == owner)
            ),
            None,
        )
        if place is None:
            return None
        used.append(place)
        there = targets[place]
        return target(*there) or there

    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier):
            continue
        found = target(_held(table.args.get("db")), _held(table.this) or "")
        if found is not None:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=table.this.copy()))
            table.set("db", exp.Identifier(this=found[0], quoted=True))
            table.set("this", exp.Identifier(this=found[1], quoted=True))
    _calls(tree, target, user)
    return used


def _calls(tree: exp.Expression, target: Any, user: str) -> None:
    for call in list(tree.find_all(exp.Anonymous)):
        if not isinstance(call.parent, exp.Dot):
            found = target(None, str(call.this).upper())
            if found is not None:
                call.set("this", found[1].lower())
    for dot in list(tree.find_all(exp.Dot)):
        owner = dot.this.name.upper()
        if isinstance(dot.parent, exp.Dot) or not isinstance(dot.expression, exp.Anonymous):
            continue
        if owner == user:  # one's own schema before a function
            dot.replace(dot.expression)
        elif (found := target(None, owner)) is not None:  # a package
            dot.set("this", exp.Identifier(this=found[1].lower(), quoted=False))


def _held(name: exp.Expression | None) -> str | None:
    if name is None:
        return None
    return name.name if name.args.get("quoted") else name.name.upper()


def keep_text(session: Any, sql: str, used: list[tuple[str, str]]) -> None:
    """Keep the text of a view that was made, for ALL_VIEWS and ALL_DEPENDENCIES."""
    found = VIEW.match(sql)
    if found is None:
        return
    name, body = found.groups()
    quoted = ".".join(
        p if p.startswith('"') else f'"{p.upper()}"' for p in re.findall(r'"[^"]+"|[^."]+', name)
    )
    session.run_with(
        b"INSERT INTO ora.view_texts VALUES ($1::regclass, $2) "
        b"ON CONFLICT (view) DO UPDATE SET body = excluded.body",
        [quoted.encode(), body.rstrip().rstrip(";").encode()],
        [25, 25],
    )
    session.run_with(
        b"DELETE FROM ora.view_synonyms WHERE view = $1::regclass", [quoted.encode()], [25]
    )
    for owner, own in used:
        session.run_with(
            b"INSERT INTO ora.view_synonyms VALUES ($1::regclass, $2, $3)",
            [quoted.encode(), owner.encode(), own.encode()],
            [25, 25, 25],
        )
