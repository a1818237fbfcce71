"""Checks who may write a ledger before its content decides what its reader runs.

A login that may write the ledger's tables can plant a run: a query, the name of a connection or of
a function. A user who resumes it would run, with more rights, what somebody with fewer chose. So
before any of it is used, the catalogue is queried for who could have written it. The owner of the
tables is trusted: a trigger of theirs runs with the rights of any writer anyway.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects.opening import open_source
from mapper_dask.errors import LedgerError
from mapper_dask.ledger.flow_tables import TABLES as FLOW_TABLES
from mapper_dask.ledger.run_tables import TABLES

SHOWN = 5
"""Roles that an error lists."""


def writers(ledger: ConnectionRef, tables: Sequence[str] = TABLES) -> tuple[str, ...]:
    """Return who may write a ledger and is neither its owner, an administrator nor the caller.

    Each with the rights that allow it, for a message.
    """
    with open_source(ledger, "ledger") as session:  # which may write nothing
        session.begin_read(None)
        rows = session.run("ledger_writers", {"tables": list(tables)})
    grants = sorted((str(role), f"{right} on {table}") for role, table, right in rows)
    return tuple(
        f"{role} ({', '.join(dict.fromkeys(right for _, right in group))})"
        for role, group in itertools.groupby(grants, key=lambda grant: grant[0])
    )


def require_trusted(
    ledger: ConnectionRef, run_id: str, what: str, *, given: str, tables: Sequence[str] = TABLES
) -> None:
    """Refuse to use a run's query, connections or function from a ledger that others can write.

    Parameters
    ----------
    what
        The fields that would be taken.
    given
        How the caller can give them instead.

    Raises
    ------
    LedgerError
        Says who could have written it, and both remedies.
    """
    found = writers(ledger, tables)
    if not found:
        return
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    message = (
        f"run {run_id!r}: its {what} would be taken from the ledger at {ledger}, and others could "
        f"have written them there: {', '.join(found[:SHOWN])}{more}. {given}; or, if you would let "
        "them choose what you run, pass trust_ledger=True (--trust-ledger)"
    )
    raise LedgerError(message, field="trust_ledger", run_id=run_id)


RUN_FIELDS = "source_sql, source_conn and transformation_logic"
GIVE_JOB = "Give the job itself, as job= or by its job file: it must be the one that was begun"


REPAIR_FIELDS = "loaded_by, which says which rows of the target are the run's and may be deleted,"
REPAIR_GIVEN = "Revoke these rights first, or load the rows again under a new run_id"


def require_trusted_flow(ledger: ConnectionRef, run_id: str) -> None:
    """Refuse to take a flow's job file from a ledger that others can write.

    Raises
    ------
    LedgerError
        Says who could have written it, and both remedies.
    """
    given = "Give the job file, or the flow, itself"
    require_trusted(ledger, run_id, "job file", given=given, tables=FLOW_TABLES)
