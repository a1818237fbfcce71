"""Parses the bytes of a file to values with their places: plain YAML, which makes no objects.

Refused with their place: bytes that are not UTF-8, tabs as indentation, anchors and aliases (a few
of them can expand to gigabytes), tags, duplicate keys, several documents, and files that are larger
or deeper than a job file needs to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import yaml

from mapper_dask import text_files
from mapper_dask.jobfile.places import Node, Path, Place, SourceFile
from mapper_dask.jobfile.scalars import value_of
from mapper_dask.jobfile.secrets import has_secret, written_secret
from mapper_dask.jobfile.variables import Filled, filled, has_variables

LARGEST = 64 * 1024
"""Bytes of a job file: some hundred jobs, read in well under a second."""
DEEPEST = 16
"""Levels of nesting: twice what a job has."""

_CORE = "tag:yaml.org,2002:"
_KINDS = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}


def decoded(raw: bytes, source: SourceFile) -> str:
    """Return a file's text.

    Raises
    ------
    JobFileError
        When it is too large, or not UTF-8; names the place of the first wrong byte.
    """
    if len(raw) > LARGEST:
        source.refuse(Place(1, 1), f"has {len(raw):,} bytes; a job file has at most {LARGEST:,}")
    try:
        return text_files.decoded(raw)
    except text_files.NotTextError as error:
        source.refuse(_place_after(error.before), error.what)


def _place_after(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1)


def read_document(text: str, source: SourceFile, environ: Mapping[str, str]) -> Node:
    """Return a document as a tree of values with places, variables filled in.

    Raises
    ------
    JobFileError
        When the text is no YAML, or not allowed in a job file.
    """
    if len(text.encode("utf-8", "replace")) > LARGEST:
        source.refuse(Place(1, 1), f"is too large; a job file has at most {LARGEST:,} bytes")
    secret = written_secret(text)
    if secret is not None:
        message = "a URL with a password is here (not shown): name a variable, as in env:SOURCE"
        source.refuse(_place_after(text[:secret]), message)
    root = _composed(text, source)
    if root is None:
        source.refuse(Place(1, 1), "is empty: a job file needs version and jobs")
    return _TreeBuilder(source, environ).node(root)


class _PlainLoader(yaml.BaseLoader):
    """Composes nodes, and refuses anchors, aliases, tags and deep nesting."""

    def __init__(self, text: str, source: SourceFile) -> None:
        super().__init__(text)
        self.source = source
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        place = _at(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self.source.refuse(
                place, "has an anchor or an alias (& or *): write it out, or quote it"
            )
        if self.depth > DEEPEST:
            self.source.refuse(place, f"is nested more than {DEEPEST} levels deep")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!") and tag.removeprefix(_CORE) not in (*_KINDS, "map", "seq"):
            self.source.refuse(place, "has a tag (!…), which a job file does not know")
        self.depth += 1
        node: Any = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None:
            node.asked = tag
        return node


def _at(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _composed(text: str, source: SourceFile) -> Any:
    try:
        return _PlainLoader(text, source).get_single_node()
    except yaml.reader.ReaderError as error:
        place = _place_after(text[: error.position])
        source.refuse(place, f"holds the character U+{ord(text[error.position]):04X}")
    except yaml.MarkedYAMLError as error:
        _refuse_yaml(error, text, source)


_PROBLEMS = (
    ("found character '\\t'", "has a tab: indent with spaces"),
    ("but found another document", "begins a second document: a job file is one"),
    ("mapping values are not allowed", "has a colon where none can be: quote the text it is in"),
    ("found unexpected end of stream", "opens a quote that is never closed"),
    ("could not find expected ':'", "is no key with a colon and a space behind it"),
    ("found undefined tag handle", "has a tag (!…), which a job file does not know"),
    ("expected <block end>", "is indented otherwise than what it belongs to"),
    ("that cannot start any token", "begins with a character that needs quotes"),
    ("expected ',' or", "opens a bracket that is not closed, or lacks a comma"),
)
"""Parts of PyYAML's messages, and those of a job file's errors."""

_AT_CONTEXT = ("opens a quote", "opens a bracket", "is no key")
"""Problems that are found late: the error names the place where they began."""


def _refuse_yaml(error: yaml.MarkedYAMLError, text: str, source: SourceFile) -> NoReturn:
    said = str(error.problem or error.context or "")
    message = next((ours for theirs, ours in _PROBLEMS if theirs in said), "is not YAML")
    early = message.startswith(_AT_CONTEXT) and error.context_mark is not None
    mark = error.context_mark if early else error.problem_mark or error.context_mark
    place = _at(mark) if mark is not None else Place(1, 1)
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    indentation = re.match(r"[ ]*\t", line)
    if indentation is not None:
        source.refuse(Place(place.line, indentation.end()), "has a tab: indent with spaces")
    if re.search(r"[{\[].*[^\"'$]\$\{", line):
        place = _at(error.problem_mark or error.context_mark)
        message = "has a ${…} within braces or brackets: put it in quotes there"
    source.refuse(place, message)


class _TreeBuilder:
    """Converts YAML's nodes to values with places."""

    def __init__(self, source: SourceFile, environ: Mapping[str, str]) -> None:
        self.source = source
        self.environ = environ

    def node(self, node: Any, path: Path = ()) -> Node:
        place = _at(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            self._require_tag(node, place, "map")
            return self._mapping(node, place, path)
        if isinstance(node, yaml.SequenceNode):
            self._require_tag(node, place, "seq")
            items = enumerate(node.value)
            return Node([self.node(item, (*path, index)) for index, item in items], place)
        return self._scalar(node, place, path)

    def _require_tag(self, node: Any, place: Place, kind: str) -> None:
        if node.asked not in (None, "!", _CORE + kind):
            self.source.refuse(place, "has a tag (!…) that does not fit its value")

    def _mapping(self, node: Any, place: Place, path: Path) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key, value in node.value:
            at = _at(key.start_mark)
            if not isinstance(key, yaml.ScalarNode) or (key.style is None and key.value == ""):
                self.source.refuse(at, "is no key: a key is a text")
            name = key.value
            if name in keys:
                self.source.refuse(at, f"{name!r} is here twice, first in line {keys[name].line}")
            keys[name] = at
            values[name] = self.node(value, (*path, name))
        return Node(values, place, keys)

    def _scalar(self, node: Any, place: Place, path: Path) -> Node:
        text = node.value
        if not has_variables(text) and has_secret(text):
            message = "holds a secret (not shown): name a variable, as in env:SOURCE or ${NAME}"
            self.source.refuse(place, message, path)
        as_text = node.style is not None or node.asked in ("!", _CORE + "str")
        try:
            value = self._filled(text, bare=not as_text)
            if value is None:
                value = text if as_text else value_of(text)
        except ValueError as error:
            self.source.refuse(place, str(error), path)
        if node.asked not in (None, "!") and not self._is_of(value, node.asked):
            self.source.refuse(place, "has a tag (!…) that does not fit its value")
        return Node(value, place, filled=isinstance(value, Filled))

    def _filled(self, text: str, *, bare: bool) -> Filled | None:
        """Return a text with its variables, None when it has none."""
        made = filled(text, self.environ)
        if made == text:
            return None
        found = Filled(made)
        found.bare = bare
        return found

    @staticmethod
    def _is_of(value: Any, tag: str) -> bool:
        kind = _KINDS.get(tag.removeprefix(_CORE))
        return kind is not None and type(value) is kind
