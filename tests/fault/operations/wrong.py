"""Libraries that are wrong: what must be one transaction is two. Kills must find each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapper_dask.ledger.run_tables import RunTables


def commits_after(owner: type, name: str) -> Callable[[], None]:
    """Return what makes a method commit what it has done, though its caller is not at its end."""

    def install() -> None:
        method = getattr(owner, name)

        def apart(self: Any, *args: Any, **options: Any) -> Any:
            done = method(self, *args, **options)
            self.target.commit()
            return done

        setattr(owner, name, apart)

    return install


def commits_before(owner: type, name: str) -> Callable[[], None]:
    """Return what makes a method commit what was done before it."""

    def install() -> None:
        method = getattr(owner, name)

        def apart(self: Any, *args: Any, **options: Any) -> Any:
            self.target.commit()
            return method(self, *args, **options)

        setattr(owner, name, apart)

    return install


MUTANTS: dict[str, tuple[str, Callable[[], None]]] = {
    "published, then told": ("atomic", commits_after(RunTables, "_publish")),
    "set aside, then published": ("replace but some", commits_after(RunTables, "reject")),
    "retried, then told": ("retry", commits_before(RunTables, "retried")),
}
"""By name: the work that shows it, and what breaks the library in this process."""
