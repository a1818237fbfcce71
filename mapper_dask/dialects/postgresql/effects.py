"""Side effects of the functions that a query calls. Pure: judges what was found."""

from __future__ import annotations

from collections.abc import Iterable

from mapper_dask.schema.facts import FunctionFact

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
        *("bernoulli", "system"),
    }
)
"""Volatile functions without side effects: random values, clocks, the server's state."""

REPEATING = frozenset(
    {
        *("format", "concat", "concat_ws", "array_to_string", "string_to_array", "pg_typeof"),
        *("to_char", "to_number", "to_date", "to_timestamp", "date_part", "extract", "date_trunc"),
        *("date_bin", "date_add", "date_subtract", "timezone", "make_timestamptz"),
        *("overlaps", "isfinite", "generate_series", "date", "timestamptz", "timestamp", "time"),
        *("timetz", "text", "interval", "name", "numeric"),
        *("to_json", "to_jsonb", "row_to_json", "array_to_json", "json_build_object"),
        *("json_build_array", "jsonb_build_object", "jsonb_build_array", "json_agg", "jsonb_agg"),
        *("json_object_agg", "jsonb_object_agg", "json_object", "jsonb_object"),
        *("json_populate_record", "jsonb_populate_record", "json_populate_recordset"),
        *("jsonb_populate_recordset", "json_to_record", "jsonb_to_record", "json_to_recordset"),
        *("jsonb_to_recordset", "jsonb_path_query_tz", "jsonb_path_exists_tz"),
        *("to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "ts_headline"),
        *("websearch_to_tsquery", "array_to_tsvector", "xmlagg", "xmlforest", "xmlelement"),
        *("current_database", "current_schema", "current_schemas", "has_table_privilege"),
        *("has_schema_privilege", "row_security_active", "pg_has_role", "num_nulls"),
        *("num_nonnulls", "sum", "avg", "min", "max", "array_agg", "string_agg", "count"),
        *("quote_literal", "quote_nullable", "to_regclass", "to_regtype", "regclass"),
        *("tsmatchsel", "array_position", "array_positions", "array_append", "array_prepend"),
        *("array_cat", "array_remove", "array_replace", "cardinality", "unnest", "money"),
    }
)
"""STABLE functions of their arguments and the session's settings alone; others depend on the time,
the session, the server, or a sequence's state."""

ANSWERING = ("pg_stat_get_", "has_")

OUTSIDE = "may change what no read-only transaction keeps, or reach outside of it"
OWNERS_RIGHTS = "runs with its owner's rights"


def functions(
    rows: Iterable[tuple[str, bool, bool, bool, bool, bool, bool, bool]],
) -> tuple[FunctionFact, ...]:
    """Return facts of what ``calls.sql`` found."""
    facts = []
    for name, reshapes, volatile, trusted, with_owners_rights, made, stable, opaque in rows:
        answers = trusted and (name in HARMLESS or name.startswith(ANSWERING))
        parts = [
            *([OUTSIDE] if volatile and not answers else []),
            *([OWNERS_RIGHTS] if with_owners_rights else []),
        ]
        repeats = not (volatile or made or (stable and name not in REPEATING))
        effects = " and ".join(parts)
        facts.append(FunctionFact(name, reshapes, volatile, effects, repeats, opaque))
    return tuple(facts)
