"""Translates the driver's errors, each judged transient or not: here and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import oracledb
import sqlalchemy as sa

from mapper_dask.connections.masking import redact
from mapper_dask.connections.param_references import masked
from mapper_dask.errors import DatabaseError, SnapshotLostError

LOCK_CODES = frozenset({"ORA-00054", "ORA-30006", "DPY-4024"})
"""A wait for a lock timed out. The driver's call timeout counts as one: only a load that waits for
another session's row takes so long."""

SNAPSHOT_CODES = frozenset({"ORA-01555", "ORA-08180", "ORA-08181", "ORA-01466", "ORA-22924"})
"""The state of the SCN is gone for good, or the table was altered since."""

SNAPSHOT_REMEDY = (
    "the source no longer knows the state the run began in: let an administrator raise "
    "UNDO_RETENTION, alter no table meanwhile, or run with consistent=False"
)

SPACE_CODES = frozenset({"ORA-01653", "ORA-01654", "ORA-01652", "ORA-01536", "ORA-30036"})
"""No space left: every other chunk would fail too. The run stops, to be resumed later."""

TRANSIENT_CODES = LOCK_CODES | {
    *("DPY-4011", "DPY-6005", "DPY-6000", "DPY-6001", "DPY-1001", "DPY-4005"),
    *("ORA-12514", "ORA-12541", "ORA-12545", "ORA-12571", "ORA-12757", "ORA-12516", "ORA-12520"),
    *("ORA-01033", "ORA-01034", "ORA-01089", "ORA-01090", "ORA-01092", "ORA-03113", "ORA-03114"),
    *("ORA-03135", "ORA-00028", "ORA-02396", "ORA-00018", "ORA-00020", "ORA-00060", "ORA-08177"),
    *("ORA-25408", "ORA-16456", "ORA-00376", "ORA-01115", "ORA-12537", "ORA-12170"),
}
"""Links, listeners, servers that start or stop, killed sessions, conflicts, full process tables."""

SICK_CODES = frozenset(
    {"ORA-00600", "ORA-07445", "ORA-01578", "ORA-04068", "ORA-04098", "ORA-16000"}
)
"""An internal error, a broken block, a package or a trigger that is not valid, a database that is
read only: what has nothing to do with a row, even where it was met at one."""

OF_STATEMENT = frozenset({"ORA-00942", "ORA-00904", "ORA-01031"})
"""Errors about a statement's objects: a row causes one only by way of a trigger."""

IN_TRIGGER = "ORA-04088"
"""Ends the message of an error that a trigger raised."""

REFUSED_ROWS = "refused_rows"
"""Attribute of an error met while staged rows were published: a row may have caused it."""

CANCELLED = "ORA-01013"
MISSING_TABLE = "ORA-00942"

_CODE = re.compile(r"\b(?:ORA|DPY|PLS)-\d{4,5}")
_HELP = re.compile(r"^\s*Help: .*$", re.MULTILINE)
_VALUE_IN = re.compile(r"(?<=ORA-01722: invalid number).*|(?<=ORA-01861:).*", re.DOTALL)


@contextlib.contextmanager
def translated(url: sa.URL | None = None, prefix: int = 0) -> Iterator[None]:
    """Raise the driver's errors as this library's.

    Parameters
    ----------
    url
        The URL whose secrets are masked in the text.
    prefix
        Characters this library put before the user's SQL; taken off the error's position.
    """
    try:
        yield
    except oracledb.Error as error:
        raise _rewritten(error, url, prefix) from None


def code_of(error: Any) -> str:
    """Return the code of an error, such as ``ORA-00001``."""
    details = error.args[0] if getattr(error, "args", ()) else error
    full = str(getattr(details, "full_code", "") or "")
    found = _CODE.findall(str(error))
    server = [code for code in found if code.startswith("ORA-")]
    # DPY-4011 comes before the reason for which the link was closed; both mean the same.
    return full or (server or found or [""])[0]


def text_of(error: BaseException) -> str:
    """Return the server's words without links and values."""
    text = _HELP.sub("", str(error)).strip()
    return " ".join(_VALUE_IN.sub("", text).split())


def refuses_row(error: Any) -> bool:
    """Return whether a row that was sent may be what a statement failed for, whatever the reason.

    A trigger raises any number. Only what passes, or is a state of the server, is no row's fault,
    wherever it was met.
    """
    code, text = code_of(error), str(getattr(error, "message", error))
    if code in OF_STATEMENT:
        return IN_TRIGGER in text
    others = TRANSIENT_CODES | SNAPSHOT_CODES | SPACE_CODES | SICK_CODES | {CANCELLED}
    return code.startswith("ORA-") and code not in others


def _rewritten(error: oracledb.Error, url: sa.URL | None, prefix: int) -> DatabaseError:
    code, text = code_of(error), text_of(error)
    text = masked(redact(text, url) if url is not None else text)
    codes = {code, *_CODE.findall(text)}
    details: dict[str, Any] = {
        "sqlstate": code,
        "transient": bool(codes & TRANSIENT_CODES),
        "stops_run": bool(codes & SPACE_CODES),
        "waited_for_lock": bool(codes & LOCK_CODES),
        "interrupted": CANCELLED in codes,
        "missing_table": MISSING_TABLE in codes,
        "refused_rows": getattr(error, REFUSED_ROWS, False),
    }
    details["said"] = text
    offset = getattr(error.args[0], "offset", 0) if error.args else 0
    if offset and offset >= prefix:
        details["position"] = offset - prefix + 1
        text = f"{text} (at character {details['position']})"
    if codes & SNAPSHOT_CODES:
        return SnapshotLostError(f"{text} [{code}]; {SNAPSHOT_REMEDY}", **details)
    return DatabaseError(f"{text} [{code or 'connection lost'}]", **details)
