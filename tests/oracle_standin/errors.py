"""What PostgreSQL refuses, in Oracle's numbers and words."""

from __future__ import annotations

import re
from typing import Any

from psycopg import pq


class OracleError(Exception):
    """An error as Oracle says it."""

    def __init__(self, code: int, message: str, position: int = 0) -> None:
        self.code, self.position = code, position
        super().__init__(f"ORA-{code:05d}: {message}")


SQLSTATE = {
    "23505": 1,
    "23502": 1400,
    "23503": 2291,
    "23514": 2290,
    "P0001": 20001,
    "P0002": 1403,
    "22001": 12899,
    "22003": 1438,
    "42P01": 942,
    "42703": 904,
    "42601": 933,
    "22P02": 1722,
    "22012": 1476,
    "40P01": 60,
    "40001": 8177,
    "55P03": 54,
    "57014": 1013,
    "42P07": 955,
    "22007": 1861,
    "22008": 1843,
    "42883": 904,
    "42501": 1031,
    "57P01": 28,
    "3F000": 942,
    "42804": 932,
    "42P18": 932,
}


TRIGGER = """ORA-06512: at "X.T", line 1
ORA-04088: error during execution of trigger 'X.T'"""
"""Ends what was raised in a trigger: nothing else raises these here."""

UNKNOWN = 3001
FREE_WORDS = {
    942: "table or view does not exist",
    1438: "value larger than specified precision allowed for this column",
    1722: "invalid number",
    955: "name is already used by an existing object",
    28: "your session has been killed",
    1013: "user requested cancel of current operation",
    54: "resource busy and acquire with NOWAIT specified or timeout expired",
}
"""Messages that name nothing."""

Fields = dict[str, str]


def ora_error(result: Any, *, updates: bool = False) -> OracleError:
    """Return PostgreSQL's error as Oracle's.

    Parameters
    ----------
    updates
        Whether the statement is an UPDATE, whose NULLs have another number.
    """
    fields = {
        name: (result.error_field(getattr(pq.DiagnosticField, name)) or b"").decode()
        for name in (
            *("SQLSTATE", "MESSAGE_PRIMARY", "MESSAGE_DETAIL"),
            *("SCHEMA_NAME", "TABLE_NAME", "COLUMN_NAME", "CONSTRAINT_NAME"),
        )
    }
    code = SQLSTATE.get(fields["SQLSTATE"], UNKNOWN)
    if fields["SQLSTATE"] == "23514" and not fields["CONSTRAINT_NAME"]:
        return OracleError(14400, "inserted partition key does not map to any partition")
    if own := re.fullmatch(r"20(\d{3})", fields["SQLSTATE"]):
        code = 20_000 + int(own.group(1))
    if code in (1403, *range(20_000, 21_000)):
        said = "no data found" if code == 1403 else fields["MESSAGE_PRIMARY"]
        return OracleError(code, f"{said}\n{TRIGGER}")
    if code in FREE_WORDS and fields["MESSAGE_PRIMARY"] != "numeric overflow":
        return OracleError(code, FREE_WORDS[code])
    if code in _NAMING:
        return _NAMING[code](fields, updates)
    said = f"{fields['SQLSTATE']}: {fields['MESSAGE_PRIMARY']}"
    return OracleError(code, f"unimplemented feature or bad SQL (stand-in; PostgreSQL {said})")


def _constraint(fields: Fields) -> str:
    return f"{fields['SCHEMA_NAME']}.{fields['CONSTRAINT_NAME'].upper()}"


def _not_unique(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del updates
    return OracleError(1, f"unique constraint ({_constraint(fields)}) violated")


def _null(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    names = (fields["SCHEMA_NAME"], fields["TABLE_NAME"], fields["COLUMN_NAME"])
    place = ".".join(f'"{name}"' for name in names)
    if updates:
        return OracleError(1407, f"cannot update ({place}) to NULL")
    return OracleError(1400, f"cannot insert NULL into ({place})")


def _reference(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del updates
    if "still referenced" in fields["MESSAGE_DETAIL"]:
        found = "violated - child record found"
        return OracleError(2292, f"integrity constraint ({_constraint(fields)}) {found}")
    missing = "violated - parent key not found"
    return OracleError(2291, f"integrity constraint ({_constraint(fields)}) {missing}")


def _checked(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del updates
    return OracleError(2290, f"check constraint ({_constraint(fields)}) violated")


def _unknown_name(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del updates
    found = re.search(r'"?column "?([^"]+)"? does not', fields["MESSAGE_PRIMARY"])
    name = found.group(1) if found else fields["MESSAGE_PRIMARY"]
    return OracleError(904, f'"{name}": invalid identifier')


def _too_long(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del updates
    found = re.search(r"\((\d+)\)", fields["MESSAGE_PRIMARY"])
    most = found.group(1) if found else "?"
    return OracleError(12899, f"value too large for column (maximum: {most})")


def _too_great(fields: Fields, updates: bool) -> OracleError:  # noqa: FBT001
    del fields, updates
    return OracleError(1426, "numeric overflow")


_NAMING = {
    1: _not_unique,
    1400: _null,
    2291: _reference,
    2290: _checked,
    904: _unknown_name,
    12899: _too_long,
    1438: _too_great,
}
