"""Finds the parts of a URL that may be secrets. Light: imports no parser.

A name says little: libpq takes a whole connection string, or another URL, as the name of a
database; ``options`` sets anything; Oracle takes ``user/password@place``. So a part that could be
one of these counts as a secret, and so does the value of an unknown parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

SECRET_NAMES = re.compile(r"pass|secret|token|pwd|credential", re.IGNORECASE)
"""Parameters that carry a secret: sslpassword, wallet_password, access_token and the like."""

OPEN_NAMES = frozenset({
    "host", "hostaddr", "port", "dbname", "database", "user", "service", "service_name", "sid",
    "application_name", "fallback_application_name", "client_encoding", "connect_timeout",
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "tcp_connect_timeout", "replication", "gssencmode", "krbsrvname", "gsslib", "gssdelegation",
    "channel_binding", "require_auth", "requirepeer", "requiressl", "sslmode", "sslnegotiation",
    "sslcompression", "sslcert", "sslkey", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir",
    "sslsni", "ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version",
    "max_protocol_version", "load_balance_hosts", "target_session_attrs", "servicefile", "options",
    "dsn", "protocol", "mode", "events", "encoding", "nencoding", "edition", "thick_mode",
    "purity", "config_dir", "wallet_location", "ssl_server_dn_match", "ssl_server_cert_dn",
    "expire_time", "https_proxy", "https_proxy_port", "retry_count", "retry_delay", "server_type",
    "cclass", "stmtcachesize", "disable_oob", "use_tcp_fast_open", "ssl_version", "sdu",
    "pool_boundary", "arraysize", "auto_convert_lobs", "coerce_to_decimal", "encoding_errors",
    "driver_name", "program", "machine", "terminal", "osuser", "appcontext", "debug_jdwp", "tag",
    "async_", "use_native_unicode", "executemany_mode", "external_auth", "externalauth", "threaded",
})  # fmt: skip
"""Parameters of libpq, psycopg2, SQLAlchemy and oracledb whose plain values are no secrets."""

OPEN_SETTINGS = re.compile(
    r"search_path|(statement|lock|idle\w*|transaction|deadlock|tcp_user)_timeout|time_?zone|role"
    r"|datestyle|intervalstyle|application_name|client_\w+|jit\w*|work_mem|maintenance_work_mem"
    r"|default_\w+|synchronous_commit|extra_float_digits|row_security|bytea_output|geqo\w*"
    r"|enable_\w+|log_\w+|standard_conforming_strings|session_replication_role|transaction_\w+"
    r"|(effective|random|seq|cpu|parallel|min|max)_\w+|temp_buffers|check_function_bodies",
    re.IGNORECASE,
)
"""Settings of a session whose values are no secrets; any other in ``options`` may be one."""

_SETTING = re.compile(r"(?:-c\s*|--)([\w.-]+)\s*=")
_ASSIGNED = re.compile(r"([\w.\-]+)\s*=\s*('(?:[^'\\]|\\.)*'?|(?:[^\s'\\;)&]|\\.)*)", re.DOTALL)
_LOGIN = re.compile(r"://[^\s/@:]*:([^\s@]*)@")
_EZCONNECT = re.compile(r"^(?:[^\s/@:]*[/:])?([^\s@]*)@")
_BETWEEN = re.compile(r"[\s'\"\\]+")

LONG = 6
"""Characters of a part of a secret that is looked for by itself."""

DEPTH = 3
"""Connection strings within one another that are looked into."""

DECODED = 6
"""Times a value may have been encoded."""


def forms(value: str) -> list[str]:
    """Return a value as it is and as it is behind every layer of percent signs."""
    found = [value]
    for _ in range(DECODED):
        for last in list(found):
            found += [form for form in (unquote(last), unquote_plus(last)) if form not in found]
    return found


def may_be_secret(name: str, value: str) -> bool:
    """Return whether a parameter of a URL may hold a secret.

    Parameters
    ----------
    name, value
        As they are after one decoding.
    """
    known = name.strip().lower()
    if known not in OPEN_NAMES or SECRET_NAMES.search(name):
        return bool(value)
    if known == "options":
        return any(_sets_more(form) for form in forms(value))
    return is_nested(value, host=known in ("host", "hostaddr"))


def _sets_more(options: str) -> bool:
    names = _SETTING.findall(options.replace("\\", ""))
    plain = _ASSIGNED.findall(options.replace("\\", ""))
    known = all(OPEN_SETTINGS.fullmatch(name.replace("-", "_")) for name in names)
    return not known or len(plain) > len(names) or "://" in options


def is_nested(part: str, *, host: bool = False) -> bool:
    """Return whether a part of a URL holds more than a name: a connection string, or a login."""
    abstract = host and part.startswith("@")  # a socket without a file
    signs = ("=", "://") if abstract else ("=", "://", "@")
    return any(sign in form for form in forms(part) for sign in signs)


def inner_secrets(value: str, depth: int = DEPTH) -> Iterator[str]:
    """Yield the texts in a part that may be secrets by themselves, as drivers' errors show them."""
    for form in forms(value):
        for name, given in _ASSIGNED.findall(form):
            bare = re.sub(r"\\(.)", r"\1", given.strip("'"))
            if name.lower() not in OPEN_NAMES and not OPEN_SETTINGS.fullmatch(name):
                yield from (given.strip("'"), bare)
                yield from (piece for piece in _BETWEEN.split(bare) if len(piece) >= LONG)
            if depth and is_nested(bare):
                yield from inner_secrets(bare, depth - 1)
        for password in (_LOGIN if "://" in form else _EZCONNECT).findall(form):
            yield from (password, unquote(password))


def secret_texts(values: Iterable[str]) -> list[str]:
    """Return some parts that may be secrets in every form they have, and what is secret in them."""
    found: dict[str, None] = {}
    for value in values:
        found.update(dict.fromkeys(forms(value)))
        found.update(dict.fromkeys(inner_secrets(value)))
    return [text for text in found if text]
