"""One connection: its settings, the library's own statements, its state number."""

from __future__ import annotations

import contextlib
import functools
import math
import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import oracledb

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.oracle import faults, settings
from mapper_dask.dialects.oracle.queries import BY_BYTES
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Column, Settings, SourceQuery

PROGRAM = "mapper_dask"

IDENTIFIER_BYTES = 64
"""Length of the name under which an administrator sees a session."""

LEAST_WAIT = 1
"""Seconds: the shortest wait for a lock that Oracle takes, except none."""

BATCH_SECONDS = 600.0
"""Most seconds that a message of a load takes, beside its wait for a lock."""

STATE_NUMBERS = (
    "SELECT SYS.DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM SYS.DUAL",
    "SELECT CURRENT_SCN FROM SYS.V_$DATABASE",
    "SELECT TIMESTAMP_TO_SCN(SYSTIMESTAMP) FROM SYS.DUAL",
)
"""Ways to the present state's number; each needs another privilege, the last needs none. That one
is right to three seconds only, which does not matter: it is one state, and no more is needed.

Packages, views and DUAL are those of SYS: an object of the same name in the login's schema comes
before the public synonym. A function of SQL's own, such as TO_CHAR, comes before a user's."""

_waits: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_BIND = re.compile(r":([a-z_]+)")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


@functools.cache
def statements(name: str) -> tuple[str, ...]:
    """Return the statements of a file of ``sql/oracle``; a line with a slash separates them."""
    folder = resources.files("mapper_dask.dialects") / "sql" / "oracle"
    text = _COMMENT.sub("", (folder / f"{name}.sql").read_text(encoding="utf-8"))
    return tuple(part.strip() for part in re.split(r"^/$", text, flags=re.MULTILINE))


def forget_name(conn: Driver, _record: Any, _state: Any) -> None:
    """Take a chunk's name from an idle session, which would keep it until it is given another.

    Else ending that chunk's sessions would end this one, too.
    """
    with contextlib.suppress(Exception):  # a broken one is found out by what follows
        conn.client_identifier = PROGRAM


CONNECT = ConnectArgs(
    # Seconds to wait for a listener; minutes after which a silent link is looked after.
    {"tcp_connect_timeout": 10, "expire_time": 1},
    permanent=re.compile(
        r"authentication failed|does not exist|no password|ORA-01017|ORA-28000|ORA-01045",
        re.IGNORECASE,
    ),
    taken=re.compile(
        r"too many connections|no more connections"
        r"|ORA-00018|ORA-00020|ORA-02391|ORA-12516|ORA-12518|ORA-12519|ORA-12520",
        re.IGNORECASE,
    ),
    on_reset=forget_name,
)


def begin(conn: Driver, application: str, lock_timeout: float | None, like: Settings = ()) -> None:
    """Begin a transaction under a name, and under the settings that the login has.

    Parameters
    ----------
    lock_timeout
        Seconds to wait for a lock; None: the session asks for none.
    like
        Settings of the session that planned, where this one's may be others.
    """
    conn.rollback()
    conn.outputtypehandler = None  # SQLAlchemy's, which would convert what Arrow is to get
    conn.call_timeout = 0
    conn.module = PROGRAM
    name = application or PROGRAM
    conn.client_identifier = name.encode()[:IDENTIFIER_BYTES].decode("utf-8", "ignore")
    if lock_timeout is not None:
        _waits[conn] = lock_timeout
        conn.call_timeout = math.ceil((lock_timeout + BATCH_SECONDS) * 1000)
    settings.own(conn, lambda: run(conn, "own_settings", {}))
    settings.be(conn, like)
    if lock_timeout is not None:
        run(conn, "session", {})


def run(conn: Driver, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a file's statements with bound values; return what the last one gives.

    Those are its rows; for a statement that changes rows, their number, or nothing when it is 0.
    A table that is there already is no error.
    """
    rows: list[tuple[Any, ...]] = []
    with settings.by_bytes(conn), conn.cursor() as cursor:
        for statement in statements(name):
            text = statement.replace("{wait}", _wait(conn))
            with _unless_made_already(text):
                cursor.execute(text, _bound(text, params), fetch_lobs=False)
                rows = _result(cursor)
    return rows


def run_each(conn: Driver, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a file's one statement for each of some rows of values, in one message."""
    (statement,) = statements(name)
    names = list(dict.fromkeys(_BIND.findall(_QUOTED.sub("", statement))))
    if rows:
        with settings.by_bytes(conn), conn.cursor() as cursor:
            cursor.executemany(statement, [{key: row[key] for key in names} for row in rows])


def state_number(conn: Driver) -> str | None:
    """Return the number of the database's present state; None when no way to it is open."""
    for query in STATE_NUMBERS:
        with contextlib.suppress(oracledb.DatabaseError), conn.cursor() as cursor:
            cursor.execute(query)
            return str(int(cursor.fetchone()[0]))
    return None


def end_others(conn: Driver, pattern: str, silent_seconds: float = -1) -> int:
    """End other sessions of this login by their names; return how many.

    None where the login may not look for sessions, or may not end them: then what those do is
    left to them, and the ledger lets none of it in.
    """
    ended = 0
    with contextlib.suppress(oracledb.DatabaseError):
        found = run(conn, "sessions_of", {"pattern": pattern, "seconds": silent_seconds})
        for sid, serial in found:
            with conn.cursor() as cursor, contextlib.suppress(oracledb.DatabaseError):
                cursor.execute(f"ALTER SYSTEM KILL SESSION '{int(sid)},{int(serial)}' IMMEDIATE")
                ended += 1
    return ended


def _wait(conn: Driver) -> str:
    seconds = _waits.get(conn)
    return "" if seconds is None else f"WAIT {max(LEAST_WAIT, math.ceil(seconds))}"


def _bound(statement: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in _BIND.findall(_QUOTED.sub("", statement))}


def _result(cursor: Any) -> list[tuple[Any, ...]]:
    if cursor.description:
        return list(cursor.fetchall())
    return [(cursor.rowcount,)] if cursor.rowcount else []


@contextlib.contextmanager
def _unless_made_already(statement: str) -> Iterator[None]:
    try:
        yield
    except oracledb.DatabaseError as error:
        exists = faults.code_of(error) in ("ORA-00955", "ORA-01408")
        if not (exists and statement.startswith("CREATE")):
            raise


def by_bytes(conn: Driver, keys: Sequence[Column]) -> tuple[Column, ...]:
    """Return keys with their texts compared by bytes, by name where the session would not."""
    if not settings.sorts_by_language(conn):
        return tuple(keys)
    return tuple(replace(key, key_type=BY_BYTES) if key.key_type == "text" else key for key in keys)


def changed_to_read(conn: Driver, query: SourceQuery) -> tuple[str, ...]:
    """Return nothing that is changed, but how a key of texts is compared."""
    names = [key.name for key in query.keys if key.key_type in ("text", BY_BYTES)]
    if not names or not settings.sorts_by_language(conn):
        return ()
    note = (
        f"the source's session orders texts by a language ({settings.language_of(conn)}); "
        f"ranges of {', '.join(names)} are by their bytes, which no plain index serves. "
        "source_sql itself is read as the session has it"
    )
    return (note,)


def changed_to_load(conn: Driver, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return that keys are compared by bytes when staged rows enter a table."""
    del columns
    begin(conn, "", None)
    if not settings.sorts_by_language(conn):
        return ()
    note = (
        f"the target's session orders texts by a language ({settings.language_of(conn)}); "
        "staged rows enter their table, and the ledger is written, with NLS_SORT and NLS_COMP "
        "BINARY, in triggers of that moment too"
    )
    return (note,)


def writes(conn: Driver) -> Mapping[str, str]:
    """Return the settings on which the text of a value depends."""
    return dict(settings.meaning(conn))


def write_as(conn: Driver, writes: Mapping[str, str]) -> None:
    """Make a session write values as another one does."""
    settings.be(conn, tuple(writes.items()))
