"""pandas's own recipe for ``to_sql(method=…)`` on PostgreSQL, from its user guide on SQL."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any


def psql_insert_copy(table: Any, conn: Any, keys: Sequence[str], data_iter: Iterable[Any]) -> None:
    """Write rows as CSV and COPY them in."""
    lines = StringIO()
    csv.writer(lines).writerows(data_iter)
    lines.seek(0)
    columns = ", ".join(f'"{key}"' for key in keys)
    name = f"{table.schema}.{table.name}" if table.schema else table.name
    with conn.connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {name} ({columns}) FROM STDIN WITH CSV", lines)
