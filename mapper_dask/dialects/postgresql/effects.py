"""What a function that a query calls may do beside answering. Pure: judges what was found."""

from __future__ import annotations

from collections.abc import Iterable

from mapper_dask.dialects.facts import FunctionFact

HARMLESS = frozenset(
    {
        *("random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7"),
        *("clock_timestamp", "timeofday", "pg_sleep", "pg_sleep_for", "pg_sleep_until"),
        *("currval", "lastval", "pg_sequence_last_value", "pg_get_sequence_data", "lo_get"),
        *("txid_current_if_assigned", "pg_current_xact_id_if_assigned"),
        *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_random_bytes"),
        *("pg_lock_status", "pg_blocking_pids", "pg_safe_snapshot_blocking_pids"),
        *("pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_relation_size"),
        *("pg_database_size", "pg_tablespace_size", "pg_is_in_recovery", "pg_show_all_settings"),
        *("pg_prepared_statement", "pg_prepared_xact", "pg_cursor", "pg_stat_get_wal_senders"),
        *("generate_series", "inet_client_addr", "pg_notification_queue_usage"),
    }
)
"""Volatile functions that only answer: of chance, of the clock, of what the server is at."""

ANSWERING = ("pg_stat_get_", "has_")

OUTSIDE = "may change what no read-only transaction keeps, or reach outside of it"
OWNERS_RIGHTS = "runs with its owner's rights"


def functions(rows: Iterable[tuple[str, bool, bool, bool, bool]]) -> tuple[FunctionFact, ...]:
    """Return facts of what ``calls.sql`` found."""
    facts = []
    for name, reshapes, volatile, trusted, with_owners_rights in rows:
        answers = trusted and (name in HARMLESS or name.startswith(ANSWERING))
        parts = [
            *([OUTSIDE] if volatile and not answers else []),
            *([OWNERS_RIGHTS] if with_owners_rights else []),
        ]
        facts.append(FunctionFact(name, reshapes, volatile, " and ".join(parts)))
    return tuple(facts)
