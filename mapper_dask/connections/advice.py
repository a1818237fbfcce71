"""Messages about a connection that is invalid or refused: which field, and what to do.

A text that is no reference may be a secret that was put in the wrong place: only what is known
here, such as the name of a variable that is set, is shown of it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable

from mapper_dask.near import nearest, variable_like

WANTED = (
    "must be a URL such as postgresql+psycopg2://host/database, a SQLAlchemy URL or Engine, "
    "'env:NAME' or 'profile:NAME'"
)

_OF_A_SHELL = re.compile(r"\$\{?([A-Za-z_]\w*)\}?|%([A-Za-z_]\w*)%")
_OF_A_QUERY = re.compile(r"(select|with)\s", re.IGNORECASE)
_OF_LIBPQ = re.compile(r"\b(host|dbname|user|service)\s*=")


def no_connection(connection: object, field: str, profiles: Iterable[str]) -> str:
    """Return the message about a value that is no connection."""
    remedy = ""
    if isinstance(connection, str):
        remedy = _meant(connection.strip(), list(profiles))
    return f"{field} {WANTED}; {remedy or f'got {type(connection).__name__}'}"


def _meant(text: str, profiles: list[str]) -> str:
    """Return what a text that is no reference may mean; empty where nothing is known."""
    shell = _OF_A_SHELL.fullmatch(text)
    name = (shell[1] or shell[2]) if shell else text
    for kind, known in (("env", list(os.environ)), ("profile", profiles)):
        if name in known:
            return f"did you mean '{kind}:{name}'?"
    if _OF_A_QUERY.match(text):
        return "it is a query: its place is source_sql (sql), and the connection's is here"
    if _OF_LIBPQ.search(text):
        return "words such as host=… dbname=… (not shown) are written as a URL"
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) is None:
        return "" if text else "it is empty"
    return _alike(name, profiles)


def _alike(name: str, profiles: list[str]) -> str:
    """Return the variable or the profile that a name is like."""
    variable, profile = variable_like(name), nearest(name, profiles)
    if variable is not None:
        return f"did you mean 'env:{variable}'?"
    if profile is not None:
        return f"did you mean 'profile:{profile}'?"
    return "the text given is none of these, nor the name of a variable or a profile here"


def here() -> str:
    """Return the number and the host of this process."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def unset(variable: str, field: str) -> str:
    """Return the message about a variable that is not set in this process."""
    like = variable_like(variable)
    remedy = (
        f"did you mean env:{like}?"
        if like
        else f"set it there, as in: export {variable}=postgresql+psycopg2://host/database"
    )
    named = f"{field}: " if field else ""
    return f"{named}environment variable {variable} is not set in {here()}; {remedy}"


def no_profile(profile: str, field: str, known: Iterable[str]) -> str:
    """Return the message about a profile that the configuration of this process lacks."""
    like = nearest(profile, known)
    remedy = f"did you mean profile:{like}?" if like else "write it there, on every host that works"
    named = f"{field}: " if field else ""
    key = f"mapper-dask.profiles.{profile}.url"
    return f"{named}the Dask configuration of {here()} has no {key}; {remedy}"


_REFUSALS = (
    (r"could not translate host name|Name or service not known|DPY-6001: .*host|ORA-12545",
     "check the host's name in the URL"),
    (r"Connection refused|DPY-6005.*refused|ORA-12541",
     "check host and port in the URL, and that a server listens there"),
    (r"No such file or directory.*\n?.*socket|socket .* failed: No such file",
     "name the host in the URL, or the folder of the server's socket as ?host=/folder"),
    (r"timeout expired|timed out|DPY-6005|ORA-12170",
     "nothing answers there: check host and port in the URL, and firewalls between"),
    (r"no password supplied|no password was provided|DPY-4001",
     "the URL has no password: add it, user:password@host, in the variable or profile"),
    (r"authentication failed|ORA-01017", "check the user and the password in the URL"),
    (r"ORA-28000", "the account is locked: let an administrator unlock it"),
    (r"no pg_hba\.conf entry",
     "check user, database and sslmode in the URL, or let an administrator allow them there"),
    (r"database \".*\" does not exist|ORA-12514|ORA-12505|DPY-6001|DPY-6003",
     "check the database's name at the end of the URL"),
    (r"role \".*\" does not exist", "check the user before the @ in the URL"),
    (r"not permitted to log in|ORA-01045",
     "let an administrator allow this user to log in, or give another in the URL"),
    (r"permission denied for database", "let its owner run: GRANT CONNECT ON DATABASE … TO …"),
    (r"SSL|certificate|DPY-6000.*TLS", "check sslmode and sslrootcert in the URL"),
    (r"too many clients|connection slots|too many connections|ORA-00018|ORA-00020",
     "others hold every connection: try again later, or with fewer workers"),
)  # fmt: skip
"""What drivers say of a connection that is refused, and what is to be done; the first that fits."""


def remedy_of(refusal: str) -> str:
    """Return what is to be done about a refused connection, empty where the driver says it all."""
    for pattern, remedy in _REFUSALS:
        if re.search(pattern, refusal, re.DOTALL):
            return remedy
    return ""
