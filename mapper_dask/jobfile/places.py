"""Values of a job file with their places, and the error of a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mapper_dask.errors import JobFileError
from mapper_dask.jobfile.variables import Filled

Path = tuple[str | int, ...]
"""Keys and positions from the top of the file to a value."""

MERGE_DEPTH = 3
"""Levels at which defaults and a job are merged: job, section, key of a mapping. A value below
them replaces the default as a whole."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in the text, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file with its place."""

    value: Any
    """A scalar, a mapping from text to nodes, or a list of nodes."""
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    """The places of a mapping's keys."""
    filled: bool = False
    """Whether variables were filled in: such a value is not shown."""

    def get(self, *path: str | int) -> Node | None:
        """Return the node at a path from here, None if there is none."""
        node: Node = self
        for part in path:
            found = _child(node, part)
            if found is None:
                return None
            node = found
        return node

    def nearest(self, path: Sequence[str | int]) -> Place:
        """Return the place of a path's value, or of the last key on it that exists.

        The place of a mapping, a list or nothing is that of its key.
        """
        node, place = self, self.place
        for part in path:
            child = _child(node, part)
            if child is None:
                return place
            place = node.keys.get(part, child.place) if isinstance(part, str) else child.place
            node = child
        return place if isinstance(node.value, (Mapping, list, type(None))) else node.place

    def key(self, path: Sequence[str | int]) -> Place:
        """Return the place of a path's last key."""
        inside = self.get(*path[:-1])
        found = inside.keys.get(str(path[-1])) if inside is not None else None
        return self.nearest(path) if found is None else found

    def plain(self) -> Any:
        """Return the value without places; None for an empty variable without quotes."""
        if isinstance(self.value, Mapping):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        nothing = isinstance(self.value, Filled) and self.value.bare and not self.value
        return None if nothing else self.value

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Yield every node under this one, and this one, with its path."""
        yield path, self
        if isinstance(self.value, Mapping):
            for key, child in self.value.items():
                yield from child.walk((*path, key))
        elif isinstance(self.value, list):
            for index, child in enumerate(self.value):
                yield from child.walk((*path, index))


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(node.value, Mapping) and isinstance(part, str):
        found = node.value.get(part)
        return found if isinstance(found, Node) else None
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item if isinstance(item, Node) else None
    return None


def merged(under: Node, over: Node, depth: int = MERGE_DEPTH) -> Node:
    """Return two mappings merged; each value keeps its place."""
    both = isinstance(under.value, Mapping) and isinstance(over.value, Mapping)
    if not both or depth == 0:
        return over
    values, keys = dict(under.value), {**under.keys, **over.keys}
    for key, child in over.value.items():
        values[key] = merged(values[key], child, depth - 1) if key in values else child
    return Node(values, over.place, keys)


def with_defaults(tree: Node) -> Node:
    """Return a tree with the defaults merged into each job; unchanged if it has another shape."""
    defaults, jobs = tree.get("defaults"), tree.get("jobs")
    if defaults is None or jobs is None or not isinstance(jobs.value, Mapping):
        return tree
    return over_jobs(tree, lambda job: merged(defaults, job))


def over_jobs(tree: Node, change: Callable[[Node], Node]) -> Node:
    """Return a tree with each job changed."""
    jobs = tree.value["jobs"]
    changed = {
        name: change(job) if isinstance(job.value, Mapping) else job
        for name, job in jobs.value.items()
    }
    return Node({**tree.value, "jobs": Node(changed, jobs.place, jobs.keys)}, tree.place, tree.keys)


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as in errors: ``jobs.airports.source.columns[2]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that is read, by its name in errors."""

    name: str

    def refuse(self, place: Place, message: str, path: Sequence[str | int] = ()) -> NoReturn:
        """Raise the error of a place.

        Raises
        ------
        JobFileError
            Always.
        """
        about = f"{dotted(path)} " if path else ""
        raise JobFileError(
            f"{self.name}:{place.line}:{place.column}: {about}{message}",
            file=self.name,
            line=place.line,
            column=place.column,
            field=dotted(path) or None,
        ) from None
