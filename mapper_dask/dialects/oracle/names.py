"""Names as Oracle holds them, and as this library shows them. Pure."""

from __future__ import annotations

import re

from sqlalchemy.dialects.oracle.base import RESERVED_WORDS

from mapper_dask.schema.facts import Publication

RESERVED = RESERVED_WORDS | {
    *("ACCESS", "ADD", "AUDIT", "COLUMN", "COLUMN_VALUE", "FILE", "IMMEDIATE", "INCREMENT"),
    *("INITIAL", "MAXEXTENTS", "MLSLABEL", "MODIFY", "NESTED_TABLE_ID", "NOAUDIT", "OFFLINE"),
    *("ONLINE", "PRIVILEGES", "ROW", "ROWID", "ROWNUM", "ROWS", "SESSION", "SUCCESSFUL"),
    *("SYSDATE", "VALIDATE", "WHENEVER"),
}
"""Words that need quotes as names, including those that SQLAlchemy leaves out."""

_PLAIN = re.compile(r"[A-Z][A-Z0-9_$#]*")


def folded(name: str) -> str:
    """Return the other spelling of a name: shown for held, held for shown.

    Oracle folds a name without quotes to upper case; pandas, SQLAlchemy and other databases show
    such names in lower case, and so does this library. A name in lower case, which needs quotes
    there, is shown in upper case, so that no two names become one. Mixed case stays.
    """
    lower, upper = name.lower(), name.upper()
    if name == upper and lower.upper() == name:
        return lower
    if name == lower and upper.lower() == name:
        return upper
    return name


def quote(name: str) -> str:
    """Return a name that is shown as SQL writes it; the only function that quotes one."""
    if '"' in name or "\0" in name:
        message = "an identifier of Oracle cannot hold a double quote or a NUL character"
        raise ValueError(message)
    return f'"{folded(name)}"'


def written(name: str) -> str:
    """Return a name that the database holds so, as a query may have it: quoted where it must be."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name.lower()
    return f'"{name}"'


def place_of(publication: Publication) -> tuple[str, str]:
    """Return schema and name of a publication's target, as this library shows them."""
    schema, table = publication.target.replace('"', "").split(".")
    return folded(schema), folded(table)


def held_place(publication: Publication) -> dict[str, str]:
    """Return owner and name of a publication's target, as the dictionary has them."""
    schema, table = place_of(publication)
    return {"owner": folded(schema), "name": folded(table)}
