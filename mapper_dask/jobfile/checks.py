"""Checks beyond the shape of a file: missing references, cycles of jobs, missing files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

from mapper_dask.cycles import cycle_of
from mapper_dask.errors import ConfigurationError
from mapper_dask.jobfile.models import File, Job
from mapper_dask.jobfile.places import Node, SourceFile
from mapper_dask.jobfile.places import Path as KeyPath
from mapper_dask.jobfile.problems import nearest
from mapper_dask.jobfile.secrets import has_secret, is_alias, require_reference
from mapper_dask.near import file_like
from mapper_dask.settings import checked
from mapper_dask.text_files import NotTextError, read_text

QUERIES = ("sql", "sql_file", "table")
"""Keys of a source's query, of which it has one."""


class Checks:
    """Checks a file of the right shape.

    Parameters
    ----------
    file
        Its content, with the defaults merged into each job.
    tree
        The same with places.
    source
        The file, for errors.
    directory
        The folder of its relative paths.
    """

    def __init__(self, file: File, tree: Node, source: SourceFile, directory: Path) -> None:
        self.file = file
        self.tree = tree
        self.source = source
        self.directory = directory

    def run(self) -> None:
        """Refuse a file that cannot be run.

        Raises
        ------
        JobFileError
            Names the place.
        """
        self._check_settings()
        self._check_connections()
        for name, job in self.file.jobs.items():
            self._check_job(("jobs", name), job)
        self._check_order()
        self._check_targets()

    def refuse(self, path: KeyPath, message: str) -> NoReturn:
        """Raise the error of the value at a path."""
        self.source.refuse(self.tree.nearest(path), message, path)

    def _check_settings(self) -> None:
        node = self.tree.get("settings")
        for path, value in node.walk(("settings",)) if node is not None else ():
            if isinstance(value.value, str) and has_secret(value.value):
                self.refuse(path, "is a URL with a secret (not shown): write env:NAME")
        try:
            checked(self.file.settings or {}, "")
        except ConfigurationError as error:
            said = str(error).replace(" (in )", "")
            key = str(error.details.get("setting", ""))
            path = self._setting(key)
            node = self.tree.get(*path)
            said = said.partition(", got ")[0] if node is not None and node.filled else said
            place = self.tree.key(path) if "no setting" in said else self.tree.nearest(path)
            self.source.refuse(place, f"settings: {said}")

    def _setting(self, key: str) -> KeyPath:
        """Return the path of a setting, however it is nested and hyphenated."""
        node = self.tree.get("settings")
        for path, _ in node.walk(("settings",)) if node is not None else ():
            if ".".join(map(str, path[1:])).replace("_", "-") == key.replace("_", "-"):
                return path
        return ("settings",)

    def _check_connections(self) -> None:
        for alias in self.file.connections or {}:
            path = ("connections", alias)
            if not is_alias(alias):
                self.refuse(path, "must be a name of letters, digits, _ and -")
            self._check_reference(path, (self.file.connections or {})[alias])
        self._check_connection(("ledger",), self.file.ledger)

    def _check_connection(self, path: KeyPath, text: str | None) -> None:
        if text is None or text in (self.file.connections or {}):
            return
        if is_alias(text):
            node = self.tree.get(*path)
            shown = "" if node is None or node.filled else f" {text!r}"
            known = nearest(text, self.file.connections or {})
            self.refuse(path, f"names a connection{shown} that is not under connections; {known}")
        self._check_reference(path, text)

    def _check_reference(self, path: KeyPath, text: str) -> None:
        try:
            require_reference(text)
        except ValueError as error:
            self.refuse(path, str(error))

    def _check_job(self, path: KeyPath, job: Job) -> None:
        if job.source is None:
            self.refuse(
                (*path, "source"),
                "is missing: a job reads from somewhere; write source: with connection and sql",
            )
        self._check_source(path, job)
        self._check_transform((*path, "transform"), job)
        if job.target is not None:
            self._check_target((*path, "target"), job)

    def _check_source(self, job_path: KeyPath, job: Job) -> None:
        source, path = job.source, (*job_path, "source")
        if source is None:
            return
        if source.connection is None:
            what = "is missing; write env:NAME, profile:NAME or a name under connections"
            self.refuse((*path, "connection"), what)
        self._check_connection((*path, "connection"), source.connection)
        named = [key for key in QUERIES if getattr(source, key) is not None]
        if not named:
            self.refuse(path, "needs one of sql, sql_file and table")
        if len(named) > 1:
            self.refuse((*path, named[1]), f"is beside {named[0]}: a source has one of them")
        if source.sql_file is not None:
            self._check_sql_file((*path, "sql_file"), source.sql_file)
        if source.params is not None and source.table is not None:
            self.refuse((*path, "params"), "belong to a query, not to a table")
        self._check_incremental((*path, "incremental"), job)

    def _check_sql_file(self, path: KeyPath, name: str) -> None:
        try:
            text = read_text(self.directory / name)
        except FileNotFoundError:
            self.refuse(path, self._not_there(path, name))
        except NotTextError as error:
            self.refuse(path, f"names a file that cannot be read as UTF-8 text: it {error}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.refuse(path, f"names a file that cannot be read as UTF-8 text: {reason}")
        else:
            if not text.strip():
                self.refuse(path, "names an empty file")

    def _not_there(self, path: KeyPath, name: str) -> str:
        """Return the error of a missing file, with a similar one; hides a name from a variable."""
        node = self.tree.get(*path)
        what = "names a file that is not there"
        if node is None or node.filled:
            return what
        meant = file_like(self.directory / name, (".sql",))
        if meant is None:
            return f"{what}: {name!r} begins at the job file's folder; write the path from there"
        return f"{what}; did you mean {(Path(name).parent / meant).as_posix()!r}?"

    def _check_incremental(self, path: KeyPath, job: Job) -> None:
        incremental = job.source.incremental if job.source is not None else None
        if incremental is None:
            return
        disposition = job.target.write_disposition if job.target is not None else None
        if disposition == "replace":
            self.refuse(path, "would leave only the new rows in a table that is replaced")
        if incremental.overlap and disposition != "merge":
            message = "reads rows again, so it needs write_disposition: merge in the target"
            self.refuse((*path, "overlap"), message)

    def _check_transform(self, path: KeyPath, job: Job) -> None:
        transform = job.transform
        if transform is not None and transform.arguments and transform.function is None:
            self.refuse((*path, "with"), "has arguments for a function, and there is none")

    def _check_target(self, path: KeyPath, job: Job) -> None:
        target = job.target
        if target is None:
            return
        for key in ("connection", "table"):
            if getattr(target, key) is None:
                self.refuse((*path, key), "is missing; name it, or leave target out for a dry run")
        self._check_connection((*path, "connection"), target.connection)
        if target.newest_by is not None and target.write_disposition != "merge":
            self.refuse((*path, "newest_by"), "needs write_disposition: merge")
        limit = job.execution.reject_limit if job.execution is not None else None
        if target.direct_path and limit:
            self.refuse((*path, "direct_path"), "loads all rows or none: it needs reject_limit: 0")

    def _check_order(self) -> None:
        waits = dependencies(self.file)
        for name, before in waits.items():
            for index, other in enumerate(before):
                path = self._dependency(name, index)
                if other not in waits:
                    self.refuse(path, f"names a job that is not there; {nearest(other, waits)}")
                if other == name:
                    self.refuse(path, "names the job itself")
        circle = cycle_of(waits)
        if circle:
            path = self._dependency(circle[0], waits[circle[0]].index(circle[1]))
            self.refuse(path, f"goes in a circle: {' → '.join(circle)}")

    def _dependency(self, name: str, index: int) -> KeyPath:
        path: KeyPath = ("jobs", name, "depends_on", index)
        return path if self.tree.get(*path) is not None else path[:-1]

    def _check_targets(self) -> None:
        """Refuse two jobs without an order if one replaces the rows that the other writes.

        Several jobs may add or merge rows in any order.
        """
        waits = dependencies(self.file)
        written: dict[Any, list[str]] = {}
        for name, job in self.file.jobs.items():
            if job.target is not None:
                written.setdefault(self._target(job), []).append(name)
        for names in written.values():
            for one, other in combinations(names, 2):
                self._check_pair(one, other, waits)

    def _check_pair(self, one: str, other: str, waits: Mapping[str, list[str]]) -> None:
        if "replace" not in (self._disposition(one), self._disposition(other)):
            return
        if one not in all_before(other, waits) and other not in all_before(one, waits):
            message = (
                f"is written by {one} too, and one of them replaces all rows: say which comes "
                "first with depends_on"
            )
            self.refuse(("jobs", other, "target", "table"), message)

    def _disposition(self, name: str) -> str | None:
        target = self.file.jobs[name].target
        return target.write_disposition if target is not None else None

    def _target(self, job: Job) -> tuple[str | None, str | None, str | None]:
        target = job.target
        assert target is not None  # noqa: S101 - the caller has looked
        connection = (self.file.connections or {}).get(target.connection or "", target.connection)
        return connection, target.schema_, target.table


def dependencies(file: File) -> dict[str, list[str]]:
    """Return the jobs each job waits for."""
    return {name: list(job.depends_on or ()) for name, job in file.jobs.items()}


def all_before(name: str, waits: Mapping[str, list[str]]) -> set[str]:
    """Return every job that a job waits for, also through others."""
    seen: set[str] = set()
    todo = list(waits[name])
    while todo:
        other = todo.pop()
        if other not in seen:
            seen.add(other)
            todo += waits[other]
    return seen
