"""A user's session: its settings decide what a query means; values stay exact in spite of them.

The settings that a session gets from the login's role, its database and its URL decide which date
``'01/02/03'`` is, which day a moment belongs to, and what a trigger sees. So a setting is kept if
rows can be read exactly with it: times with the offset of the session's zone, bytes in either form,
intervals in any style. Any other setting is changed for the transaction, and a plan names it.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2

from mapper_dask.connections.pool import ConnectArgs
from mapper_dask.dialects.session import Driver
from mapper_dask.schema.facts import Column, Settings

ENCODING = "UTF8"
"""The encoding of all texts. It is a parameter of the connection, so no role, database, URL or
environment changes it, and it holds from the first statement."""

KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A dead link is noticed in a minute (s, s, probes, ms); the system's default is two hours."""

CONNECT = ConnectArgs(
    {"connect_timeout": 10, "application_name": "mapper_dask", **KEEPALIVE},
    fixed={"client_encoding": ENCODING},
    permanent=re.compile(
        r"authentication failed|does not exist|no pg_hba|could not translate host name|no password",
        re.IGNORECASE,
    ),
    # PostgreSQL gives libpq no code for them.
    taken=re.compile(
        r"too many clients|too many connections|connection slots are reserved|no more connections",
        re.IGNORECASE,
    ),
    needless=re.compile(r"\s+Is the server running [^?]*\?"),
)

QUIET = (
    "SET LOCAL datestyle = 'ISO'; SET LOCAL synchronize_seqscans = off; "
    "SET LOCAL client_min_messages = 'error'"
)
"""What no query's meaning depends on: the same query scans in the same order, and nothing is said
aside. Of DateStyle it names the output alone, which the driver makes ISO anyway: the order of day,
month and year stays."""

CARRIED = ("DateStyle", "TimeZone", "IntervalStyle", "standard_conforming_strings")
"""What the server reports to a client unasked, so that comparing needs no query."""

SQL_STANDARD = "sql_standard"
"""A style whose ``-1 2:03:04`` is read otherwise in any other style: the sign is of all fields."""

ALWAYS_SHORTEST = 120_000
"""Since this version any ``extra_float_digits`` above 0 gives the digits that a float needs."""

INVALID_VALUE = "22023"
"""SQLSTATE of a server that does not know a setting's value."""

_OWN = (
    "SELECT s.name, s.setting, s.reset_val FROM pg_catalog.pg_settings s WHERE s.name "
    "OPERATOR(pg_catalog.=) ANY (ARRAY['DateStyle', 'IntervalStyle', 'extra_float_digits', "
    "'xmloption', 'array_nulls', 'quote_all_identifiers'])"
)


FENCES = {
    "client_connection_check_interval": "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}
"""The server's side of the same: it notices a client that is gone, and gives its locks back. A
client that takes its time, in the user's function or by keeping a snapshot, is no such client.
What a server does not know, or its system cannot do, is left out."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a session was given that matters to values as texts."""

    dates: str
    """DateStyle, as it was before the driver made its output ISO."""
    spans: str
    """IntervalStyle."""
    float_digits: int
    """extra_float_digits."""
    xml: str
    """xmloption."""
    array_nulls: str
    quotes: bool
    """quote_all_identifiers: names of types come in quotes that need none."""
    version: int

    @property
    def digits_needed(self) -> int:
        """The extra_float_digits under which a float's text is exact."""
        return 1 if self.version >= ALWAYS_SHORTEST else 3

    @property
    def rounds_floats(self) -> bool:
        """Whether a float's text would be another float."""
        return self.float_digits < self.digits_needed


_NEEDLESS_QUOTES = re.compile(r'"(?!char")([a-z_][a-z0-9_]*)"')
"""``"char"`` is another type than char."""

_own: weakref.WeakKeyDictionary[Any, Own] = weakref.WeakKeyDictionary()


def own(conn: Driver) -> Own:
    """Return what a session was given; asked for once a connection, before anything is changed."""
    if conn not in _own:
        with conn.cursor() as cursor:
            cursor.execute(_OWN)
            found = {name: (now, given) for name, now, given in cursor.fetchall()}
        _own[conn] = Own(
            dates=found["DateStyle"][1],
            spans=found["IntervalStyle"][0],
            float_digits=int(found["extra_float_digits"][0]),
            xml=found["xmloption"][0],
            array_nulls=found["array_nulls"][0],
            quotes=found["quote_all_identifiers"][0] == "on",
            version=int(conn.server_version),
        )
    return _own[conn]


def type_name(conn: Driver, name: str) -> str:
    """Return a type's name as the catalogue writes it in most sessions."""
    return _NEEDLESS_QUOTES.sub(r"\1", name) if own(conn).quotes else name


def prepare(conn: Driver) -> None:
    """End a connection's transaction, and read its own settings before any is changed."""
    conn.rollback()
    if conn.info.parameter_status("client_encoding") != ENCODING:  # a pooler may have passed it by
        conn.set_client_encoding(ENCODING)
    own(conn)
    conn.rollback()  # asking for them has begun a transaction


def settings(conn: Driver) -> str:
    """Return the statements that make values exact for a transaction of a prepared connection."""
    given = own(conn)
    if not given.rounds_floats:
        return QUIET
    return f"{QUIET}; SET LOCAL extra_float_digits = {given.digits_needed}"


def fence(cursor: Any, application: str, lock_timeout: float) -> None:
    """Bound this transaction's waits and name it, so that it can be found and ended."""
    values = {**FENCES, "lock_timeout": f"{int(lock_timeout * 1000)}ms"}
    if application:
        values["application_name"] = application
    cursor.execute(
        "SELECT pg_catalog.set_config(s.name, f.value, true) FROM ROWS FROM (pg_catalog.unnest("
        "%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[])) AS f (name, value) "
        "JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) f.name WHERE s.name "
        "OPERATOR(pg_catalog.<>) 'client_connection_check_interval' "
        "OR pg_catalog.version() OPERATOR(pg_catalog.~) 'linux'",
        (list(values), list(values.values())),
    )


# -- what is carried from the session that planned -------------------------------------------------


def carried(conn: Driver) -> Settings:
    """Return what a query's meaning depends on, as far as the server reports it unasked."""
    found = ((name, conn.info.parameter_status(name)) for name in CARRIED)
    return tuple((name, value) for name, value in found if value is not None)


def require_carried(cursor: Any, conn: Driver, wanted: Settings) -> None:
    """Give a transaction the settings of the session that planned, where the two differ.

    They differ by the environment of a worker's process, or if a role was altered meanwhile.
    """
    for name, value in wanted:
        if name in CARRIED and conn.info.parameter_status(name) != value:
            cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))


# -- what a column needs ---------------------------------------------------------------------------


def read_exactly(conn: Driver, columns: Sequence[Column]) -> None:
    """Make intervals within values of users' types be written alike in every session."""
    if _hides_spans(own(conn), columns):
        _say(conn, "SET LOCAL intervalstyle = 'postgres'")


def load_exactly(conn: Driver, columns: Sequence[Column]) -> None:
    """Make texts be read exactly, where a column's type reads them by a setting."""
    needed = dict(_needed_to_load(own(conn), columns))
    if needed:
        _say(conn, "; ".join(needed))


def _hides_spans(given: Own, columns: Sequence[Column]) -> bool:
    return given.spans == SQL_STANDARD and any(not column.native for column in columns)


def _needed_to_load(given: Own, columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Yield statements that columns need, and what a plan says of each."""
    for column in columns:
        if given.xml != "content" and re.match(r"xml\b", column.type_name):
            note = (
                f"xmloption of the target's session is {given.xml}, in which column "
                f"{column.name!r} would refuse values that are no documents; while rows are "
                "loaded it is content, for triggers too"
            )
            yield "SET LOCAL xmloption = 'content'", note
        if given.array_nulls != "on" and (column.type_name.endswith("[]") or not column.native):
            note = (
                f"array_nulls of the target's session is {given.array_nulls}, in which NULLs in "
                f"column {column.name!r} would become texts; while rows are loaded it is on, for "
                "triggers too"
            )
            yield "SET LOCAL array_nulls = on", note


def _say(conn: Driver, statements: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(statements)


# -- what a plan says ------------------------------------------------------------------------------


def read_notes(conn: Driver, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return which settings of a source's session are changed, and what they may have meant."""
    given = own(conn)
    notes = []
    if not given.dates.startswith("ISO"):
        notes.append(
            f"DateStyle of the source's session is {given.dates!r}; dates are written as ISO, as "
            "by the driver itself, and read in the session's order of day, month and year: a cast "
            "from a date to text in source_sql gives ISO"
        )
    if given.rounds_floats:
        notes.append(
            f"extra_float_digits of the source's session is {given.float_digits}, which rounds "
            f"floats; it is {given.digits_needed}: a cast from a float to text in source_sql gives "
            "all digits"
        )
    if _hides_spans(given, columns):
        unsure = ", ".join(repr(column.name) for column in columns if not column.native)
        notes.append(
            "IntervalStyle of the source's session is sql_standard, whose texts mean something "
            f"else in other styles; it is postgres while {unsure} may hold an interval: so is a "
            "cast between interval and text in source_sql"
        )
    return tuple(notes)


def load_notes(conn: Driver, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return which settings of a target's session are changed, which its triggers see."""
    given = own(conn)
    notes = [note for _, note in _needed_to_load(given, columns)]
    if not given.dates.startswith("ISO"):
        notes.append(
            f"DateStyle of the target's session is {given.dates!r}; while rows are loaded dates "
            "are written as ISO, as by the driver itself, in triggers too"
        )
    if given.rounds_floats:
        notes.append(
            f"extra_float_digits of the target's session is {given.float_digits}; while rows are "
            f"loaded it is {given.digits_needed}, in triggers too"
        )
    return tuple(notes)


# -- the same text of the same value, in two sessions ----------------------------------------------

WRITES = (
    "DateStyle", "TimeZone", "IntervalStyle", "bytea_output", "extra_float_digits", "lc_monetary",
)  # fmt: skip
"""What the text of a value depends on."""


def writes(conn: Driver) -> Mapping[str, str]:
    """Return how a session writes values in its present transaction."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT s.name, pg_catalog.current_setting(s.name) FROM "
            "pg_catalog.unnest(%s::pg_catalog.text[]) AS s (name)",
            (list(WRITES),),
        )
        return dict(cursor.fetchall())


def write_as(conn: Driver, wanted: Mapping[str, str]) -> None:
    """Make a transaction that runs no user's text write values as another session does."""
    now = writes(conn)
    for name, value in wanted.items():
        if name in WRITES and now.get(name) != value:
            _try_to_set(conn, name, value)


def _try_to_set(conn: Driver, name: str, value: str) -> None:
    """Set a value that this server may not know, such as the name of a locale."""
    with conn.cursor() as cursor:
        cursor.execute("SAVEPOINT mapper_dask_setting")
        try:
            cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))
        except psycopg2.Error as error:
            if error.pgcode != INVALID_VALUE:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT mapper_dask_setting")
