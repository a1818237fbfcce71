"""How the columns of a unique key are compared, independently of the search path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapper_dask.dialects.postgresql import named_queries
from mapper_dask.dialects.postgresql.queries import quote
from mapper_dask.dialects.session import Driver
from mapper_dask.errors import PublishError


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a unique key, as its index compares it."""

    name: str
    operator: str
    """Equality, with its schema."""
    collation: str
    """COLLATE clause where the index has another than the column; else empty."""
    image_equal: bool
    """Whether equal values are always written alike."""

    def same(self, left: str, right: str) -> str:
        """Return the condition that two tables' values are equal."""
        name = f"{quote(self.name)}{self.collation}"
        return f"{left}.{name} {self.operator} {right}.{name}"


@dataclass(frozen=True, slots=True)
class Key:
    """A unique key; of no columns where rows are not found by one."""

    columns: tuple[KeyColumn, ...] = ()

    def same(self, left: str, right: str) -> str:
        """Return the condition that two tables' rows have one key."""
        return " AND ".join(column.same(left, right) for column in self.columns)

    @property
    def written_otherwise(self) -> tuple[str, ...]:
        """Columns of which equal values may be written in several ways."""
        return tuple(column.name for column in self.columns if not column.image_equal)


def key_of(conn: Driver, quoted: str, names: Sequence[str]) -> Key:
    """Return how a table's unique key compares its columns; raise PublishError if it is gone."""
    if not names:
        return Key()
    found = named_queries.run(conn, "key_equality", {"table": quoted, "key": list(names)})
    if not found:
        message = f"{quoted} has no unique key over {', '.join(names)} any more"
        raise PublishError(message)
    return Key(tuple(KeyColumn(*row) for row in found))
