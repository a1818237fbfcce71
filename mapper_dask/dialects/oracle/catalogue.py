"""What Oracle's dictionary knows of tables, functions and row addresses."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import uuid
from collections.abc import Sequence
from typing import Any

import oracledb
import sqlglot
from sqlglot import exp

from mapper_dask.dialects.oracle import builtins, definitions, session
from mapper_dask.dialects.oracle.flashback import GRAMMAR
from mapper_dask.dialects.oracle.names import folded, quote
from mapper_dask.dialects.oracle.types import column_of_table
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import PlanError
from mapper_dask.parallel_models import Bound
from mapper_dask.schema.facts import FunctionFact, Histogram, KeyMark, Relation, TargetTable
from mapper_dask.schema.hazards import AFTER, BEFORE, INSTEAD, Hazards, Trigger

UNKNOWN_BLOCKS = 10_000
"""Blocks assumed of a table without statistics: they decide only how finely it can be cut."""

VOLATILE = frozenset({"sys_guid", "uuid", "ora_invoking_user", "userenv", "nextval", "currval"})

VOLATILE_PACKAGES = frozenset({"dbms_random", "dbms_crypto", "dbms_utility", "dbms_lock"})

OUTSIDE_PACKAGES = frozenset(
    {
        *("utl_http", "utl_tcp", "utl_smtp", "utl_mail", "utl_file", "utl_inaddr", "utl_url"),
        *("dbms_lock", "dbms_pipe", "dbms_alert", "dbms_aq", "dbms_scheduler", "dbms_job"),
        *("dbms_xmlquery", "dbms_xmlgen", "dbms_sql", "dbms_ldap", "httpuritype"),
    }
)
"""Packages of the database's own whose functions have side effects."""

FOLDING = frozenset(
    {
        *("listagg", "xmlagg", "collect", "wm_concat", "json_arrayagg", "json_objectagg"),
        *("sum", "count", "min", "max", "avg", "median", "stddev", "variance", "any_value"),
        *("approx_count_distinct", "approx_median", "percentile_cont", "percentile_disc"),
        *("corr", "covar_pop", "covar_samp", "stats_mode", "bit_and_agg", "bit_or_agg"),
    }
)
"""Built-in functions that fold rows; the dictionary lists only those of users."""

ADDRESSES_AT_ONCE = 200


def find(conn: Driver, schema: str | None, name: str) -> tuple[str, str] | None:
    """Return owner and name of a table or view by the names a user gave, None when there is none.

    A name means the same in either case, as long as no quoted name says otherwise.
    """
    spellings = itertools.product(
        dict.fromkeys((None,) if schema is None else (folded(schema), schema)),
        dict.fromkeys((folded(name), name)),
    )
    for owner, table in spellings:
        found = session.run(conn, "find_table", {"schema": owner, "name": table})
        if found:
            return str(found[0][0]), str(found[0][1])
    return None


def relation(conn: Driver, table: str) -> Relation | None:
    """Return what the dictionary knows of a table as a FROM clause writes it."""
    place = _written(conn, table)
    found = session.run(conn, "relation", place) if place else []
    if not found or place is None:
        return None
    has_row_addresses, blocks, stable = found[0]
    indexes = _indexes(conn, place)
    return Relation(
        bool(has_row_addresses),
        int(blocks or UNKNOWN_BLOCKS),
        tuple(columns for columns, proves, _ in indexes if proves),
        tuple(columns[0] for columns, _, _ in indexes),
        stable_addresses=bool(stable),
    )


def target_table(conn: Driver, schema: str | None, table: str) -> TargetTable | None:
    """Return a table and its columns, None when there is none of that name."""
    found = find(conn, schema, table)
    if found is None:
        return None
    place = {"owner": found[0], "name": found[1]}
    definition = definitions.of_table(conn, *found)  # first: what comes later is held to it
    rows = session.run(conn, "target_columns", place)
    columns = tuple(
        column_of_table(
            *row[:5],
            nullable=bool(row[5]),
            has_default=bool(row[6]),
            generated=bool(row[7]),
        )
        for row in rows
    )
    indexes = _indexes(conn, place)
    owner, name = folded(found[0]), folded(found[1])
    return TargetTable(
        owner,
        name,
        f"{quote(owner)}.{quote(name)}",
        columns,
        unique_keys=tuple(names for names, proves, _ in indexes if proves),
        primary_key=next((names for names, _, primary in indexes if primary), ()),
        referring=tuple(str(name) for (name,) in session.run(conn, "referring_tables", place)),
        definition=definition,
        hazards=hazards(conn, place),
    )


def hazards(conn: Driver, place: dict[str, str]) -> Hazards:
    """Return what may keep rows out of a table or remove them, as far as the login sees it."""
    facts = session.run(conn, "target_hazards", place)
    return Hazards(
        view=any(fact == "view" for fact, *_ in facts),
        kind=next((str(name) for fact, name, *_ in facts if fact == "kind"), ""),
        row_security=tuple(str(name) for fact, name, *_ in facts if fact == "policy"),
        triggers=tuple(
            _trigger(str(name), place, str(kind), str(events))
            for fact, name, kind, events in facts
            if fact == "trigger"
        ),
    )


def _trigger(name: str, place: dict[str, str], kind: str, events: str) -> Trigger:
    timing = next((word for word in (INSTEAD, BEFORE) if kind.startswith(word)), AFTER)
    fired = tuple(word for word in ("INSERT", "UPDATE", "DELETE") if word in events.split())
    return Trigger(name, place["name"], timing, fired, kind.endswith("EACH ROW"))


def checks(conn: Driver, schema: str, table: str) -> list[str]:
    """Return the conditions of a table's check constraints.

    None on servers before 12.2, whose dictionary shows them in a form no query can filter: there
    rows that break one are found when they are published.
    """
    with contextlib.suppress(oracledb.DatabaseError):
        found = session.run(conn, "checks", {"owner": folded(schema), "name": folded(table)})
        return [str(condition) for (condition,) in found]
    return []


def functions(conn: Driver, names: Sequence[str]) -> tuple[FunctionFact, ...]:
    """Return what is known of functions by these names that matter to a plan."""
    facts = []
    for name in names:
        package, _, own = name.rpartition(".")
        of_the_language = name.upper() in builtins.OF_THE_LANGUAGE and name == name.lower()
        known = [] if of_the_language else session.run(conn, "functions", {"name": folded(own)})
        folds = name in FOLDING or any(bool(row[0]) for row in known)
        volatile = own in VOLATILE or any(bool(row[1]) for row in known)
        volatile = volatile or package in VOLATILE_PACKAGES
        if folds or volatile or package in OUTSIDE_PACKAGES:
            facts.append(FunctionFact(name, folds, volatile, _effects(package, own, known)))
    return tuple(facts)


def _effects(package: str, own: str, known: Sequence[tuple[Any, ...]]) -> str:
    """Return the side effects that a function may have; a query of Oracle's may call any.

    One of the user's that is not declared deterministic may commit an autonomous transaction.
    """
    if own == "nextval":
        return "takes numbers from a sequence, for good"
    if package in OUTSIDE_PACKAGES or any(bool(row[1]) for row in known):
        return "may change what no transaction undoes, or reach outside of the database"
    return ""


def histogram(conn: Driver, table: str, column: str) -> Histogram:
    """Return what fresh statistics say of a numeric column.

    Whatever the kind of the histogram, an endpoint's number counts the rows up to its value.
    """
    place = _written(conn, table)
    if place is None:
        return Histogram()
    found = session.run(conn, "histogram", {**place, "column": folded(column)})
    counts = [0, *(int(count) for count, _ in found)]
    marks = [KeyMark(count, (str(v),)) for count, (_, v) in zip(counts, found, strict=False)]
    return Histogram(tuple(marks), counts[-1])


def address_bounds(conn: Driver, table: str, blocks: int, starts: Sequence[int]) -> list[Bound]:
    """Return the row addresses at which shares of a table begin, by the best way there is.

    The extents are exact; where the login may not see them, the database's own cutter is
    asked; where that may not run either, addresses are sampled. Chunks cut by any of them are
    disjoint and cover the table: only their sizes differ.

    Parameters
    ----------
    blocks
        Blocks that the starts are counted in.
    """
    place = _written(conn, table)
    if place is None:
        message = f"ROWID_BASED: {table} is no table the dictionary shows to this login"
        raise PlanError(message, field="strategy")
    shares = [start / blocks for start in starts]
    with contextlib.suppress(oracledb.DatabaseError):
        return _from_extents(conn, session.run(conn, "extents", place), shares)
    with contextlib.suppress(oracledb.DatabaseError):
        return _picked(_cut_by_the_database(conn, place, blocks, len(starts)), len(starts))
    return _picked(_sampled(conn, place, len(starts)), len(starts))


def _from_extents(
    conn: Driver, extents: Sequence[tuple[Any, ...]], shares: Sequence[float]
) -> list[Bound]:
    ends = list(itertools.accumulate(int(size) for *_, size in extents))
    wanted: dict[tuple[int, int, int], None] = {}
    for share in shares if ends else ():
        block = int(share * ends[-1])
        extent = bisect.bisect_right(ends, block)
        number, file, first, size = map(int, extents[extent])
        wanted[number, file, first + block - (ends[extent] - size)] = None
    return [bound for some in _batches(list(wanted)) for bound in _addresses(conn, some)]


def _batches(places: Sequence[tuple[int, int, int]]) -> list[Sequence[tuple[int, int, int]]]:
    steps = range(0, len(places), ADDRESSES_AT_ONCE)
    return [places[start : start + ADDRESSES_AT_ONCE] for start in steps]


def _addresses(conn: Driver, places: Sequence[tuple[int, int, int]]) -> list[Bound]:
    """Return row addresses as the database writes them: their layout is its own business."""
    rows = (
        f"SELECT {order} AS n, "
        f"ROWIDTOCHAR(SYS.DBMS_ROWID.ROWID_CREATE(1, {number}, {file}, {block}, 0)) AS a "
        "FROM SYS.DUAL"
        for order, (number, file, block) in enumerate(places)
    )
    with conn.cursor() as cursor:
        cursor.execute("\nUNION ALL ".join(rows) + "\nORDER BY n")
        return [(str(address),) for _, address in cursor.fetchall()]


def _cut_by_the_database(
    conn: Driver, place: dict[str, str], blocks: int, wanted: int
) -> list[str]:
    task = {"task": f"mapper_dask_{uuid.uuid4().hex[:16]}", "blocks": max(1, blocks // wanted)}
    found = session.run(conn, "chunks_by_rowid", {**place, **task})
    session.run(conn, "chunks_by_rowid_done", task)
    return [str(address) for (address,) in found]


def _sampled(conn: Driver, place: dict[str, str], wanted: int) -> list[str]:
    table = f"{quote(folded(place['owner']))}.{quote(folded(place['name']))}"
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT a FROM (SELECT ROWIDTOCHAR(ROWID) AS a, "
            "ROW_NUMBER() OVER (ORDER BY ROWID) AS n, "
            f"COUNT(*) OVER () AS total FROM {table} SAMPLE (1)) "
            f"WHERE MOD(n, GREATEST(FLOOR(total / {wanted}), 1)) = 0 ORDER BY n"
        )
        return [str(address) for (address,) in cursor.fetchall()]


def _picked(addresses: Sequence[str], wanted: int) -> list[Bound]:
    """Return some addresses, evenly, the first among them."""
    step = max(1, len(addresses) // max(wanted, 1))
    return [(address,) for address in addresses[::step]]


def _written(conn: Driver, table: str) -> dict[str, str] | None:
    """Return owner and name of a table by its text in a query."""
    try:
        parts = exp.to_table(table, dialect=GRAMMAR).parts
    except (sqlglot.errors.SqlglotError, ValueError):
        return None
    names = [p.name if p.args.get("quoted") else p.name.upper() for p in parts]
    if any("@" in name for name in names):
        return None
    schema = names[-2] if len(names) > 1 else None
    found = session.run(conn, "find_table", {"schema": schema, "name": names[-1]})
    return {"owner": str(found[0][0]), "name": str(found[0][1])} if found else None


def _indexes(conn: Driver, place: dict[str, str]) -> list[tuple[tuple[str, ...], bool, bool]]:
    """Return each ordered index: its columns, whether it proves a key, and is the primary key's."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, *rest in session.run(conn, "indexes", place):
        found.setdefault(str(name), []).append(tuple(rest))
    return [
        (
            tuple(folded(str(column)) for _, column, *_ in rows),
            all(bool(unique) and bool(never_null) for unique, _, never_null, _ in rows),
            bool(rows[0][3]),
        )
        for rows in found.values()
    ]
