"""Names as a person writes them in PostgreSQL: in quotes only where they must be. Pure.

What the catalogue names is written by the server's own ``quote_ident``; this is for names that come
from a query's text, or from an error.
"""

from __future__ import annotations

import re

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from mapper_dask.dialects.postgresql.queries import quote

RESERVED = RESERVED_WORDS | {"collation", "concurrently", "lateral", "system_user", "tablesample"}
"""Words that need quotes as names, including those that SQLAlchemy leaves out."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


def shown(name: str) -> str:
    """Return a name that is held so, as a query may have it."""
    return name if _PLAIN.fullmatch(name) and name not in RESERVED else quote(name)
