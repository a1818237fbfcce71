"""What the processor's own arguments must be."""

from __future__ import annotations

from collections.abc import Iterable

from mapper_dask.bounds import MOST, MOST_SECONDS, shown
from mapper_dask.errors import ConfigurationError
from mapper_dask.job_fields import is_chunk_size
from mapper_dask.options import unknown as unknown_option


def require_count(name: str, value: object) -> None:
    """Refuse what is no number of things."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
        message = f"{name} must be an integer of at least 1{_given(value)}"
        raise ConfigurationError(message, field=name)


def require_seconds(name: str, value: object) -> float:
    """Return a time in seconds; refuse what is none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 < value <= MOST_SECONDS
    ):
        message = f"{name} must be a number of seconds above 0, at most {MOST_SECONDS:,.0f}"
        raise ConfigurationError(f"{message}{_given(value)}", field=name)
    return float(value)


def _given(value: object) -> str:
    large = isinstance(value, int) and abs(value) > MOST
    return f", at most {MOST:,}" if large else f", got {shown(value)}"


def require_chunk_size(value: object) -> None:
    """Refuse what is no size of a chunk; None means the setting."""
    if value is not None and not is_chunk_size(value):
        message = f"chunk_size must be an integer of at least 1 or 'auto', got {shown(value)}"
        raise ConfigurationError(message, field="chunk_size")


def require_flag(name: str, value: object) -> None:
    """Refuse what is neither True, False nor None: a text such as "no" would count as True."""
    if value is not None and not isinstance(value, bool):
        message = f"{name} must be True or False, got {shown(value)}"
        raise ConfigurationError(message, field=name)


def require_on_failure(value: object) -> None:
    """Refuse an ``on_failure`` that is neither ``raise`` nor ``return``."""
    if value not in ("raise", "return", None):
        message = f"on_failure must be 'raise' or 'return', got {shown(value)}"
        raise ConfigurationError(message, field="on_failure")


_OTHERS = {
    **dict.fromkeys(
        ("if_exists", "mode", "write_mode"),
        "; give write_disposition='append', 'replace' or 'merge'",
    ),
    **dict.fromkeys(
        ("max_workers", "enable_parallel", "client", "scheduler_address", "retries", "lock_timeout",
         "progress", "budget", "settings"),
        "; give it to ParallelProcessor(…)",
    ),
    **dict.fromkeys(("table", "name"), "; give target_table='…'"),
    **dict.fromkeys(("schema",), "; give target_schema='…'"),
    **dict.fromkeys(("sql", "query", "source_table"), "; give source_sql='SELECT …'"),
    **dict.fromkeys(("con", "url", "engine"), "; give source_conn and target_conn"),
}  # fmt: skip
"""Options of the processor or of other libraries, and what to give to a job instead."""


def require_known(options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options of a name that nothing has."""
    misspelt = sorted(set(options) - set(known))
    if misspelt:
        owner, name = "a job", misspelt[0]
        raise unknown_option(owner, name, [*known], _OTHERS.get(name, ""))


def require_workers(client: object, scheduler_address: str | None, **counts: int | None) -> None:
    """Refuse a client that is none, two answers to which cluster works, and counts that are none.

    Parameters
    ----------
    counts
        Each number by its argument's name; None where it was not given.
    """
    for name, value in counts.items():
        if value is not None:
            require_count(name, value)
    if client is not None and not hasattr(client, "submit"):
        meant = "an address is given as scheduler_address"
        if hasattr(client, "scheduler_address"):
            meant = f"of a cluster, give client=Client({type(client).__name__.lower()})"
        message = f"client must be a Dask client; {meant}"
        raise ConfigurationError(message, field="client")
    if client is not None and scheduler_address is not None:
        message = "client and scheduler_address say the same thing twice; give one"
        raise ConfigurationError(message, field="scheduler_address")
