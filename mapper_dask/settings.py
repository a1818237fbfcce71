"""Settings of a run that its job does not name: from files, variables, the job file or the call.

Five places, later ones win: the packaged ``mapper-dask.yaml``; Dask's configuration, which holds
its own files, the ``DASK_MAPPER_DASK__…`` variables and ``dask.config.set``; a job
file's ``settings``; the call. Each value knows its place, and so does each error.

Dask is imported where it is needed only: reading a job file needs none of it.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from mapper_dask.bounds import MOST, MOST_SECONDS, shown
from mapper_dask.errors import ConfigurationError

NAMESPACE = "mapper-dask"
"""The key of the settings in Dask's configuration."""

VARIABLE = "DASK_MAPPER_DASK__"
"""The prefix of environment variables."""

INHERITED = "DASK_INTERNAL_INHERIT_CONFIG"
"""The variable in which Dask passes its configuration to the processes it starts."""

PACKAGED = "packaged default"
IN_PROCESS = "dask.config.set in this process"
IN_PARENT = "the configuration of the process that started this one"
CALL = "the call"

PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of setting: its check, and its schema."""

    says: str
    """Ends the sentence "it must be …"."""
    accepts: Callable[[Any], bool]
    schema: Mapping[str, Any]
    """The same as JSON Schema."""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST


def _is_profile(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"url"} and isinstance(value["url"], str)


_COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}

COUNT = Kind("an integer of at least 1", _is_count, _COUNT)
COUNT_OR_NULL = Kind(
    "an integer of at least 1, or null",
    lambda value: value is None or _is_count(value),
    {**_COUNT, "type": ["integer", "null"]},
)
WHOLE = Kind(
    "an integer of at least 0", lambda value: _is_count(value, 0), {"type": "integer", "minimum": 0}
)
ROWS = Kind(
    "an integer of at least 1 or 'auto'",
    lambda value: value == "auto" or _is_count(value),
    {"anyOf": [_COUNT, {"const": "auto"}]},
)
FLAG = Kind("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
FLAG_OR_NULL = Kind(
    "true, false or null",
    lambda value: value is None or isinstance(value, bool),
    {"type": ["boolean", "null"]},
)
SECONDS = Kind(
    "a number of seconds above 0",
    lambda value: _is_number(value) and 0 < value <= MOST_SECONDS,
    {"type": "number", "exclusiveMinimum": 0},
)
SECONDS_OR_NONE = Kind(
    "a number of seconds of at least 0",
    lambda value: _is_number(value) and 0 <= value <= MOST_SECONDS,
    {"type": "number", "minimum": 0},
)
ON_ERROR = Kind(
    "'abort' or 'continue'",
    lambda value: value in ("abort", "continue"),
    {"enum": ["abort", "continue"]},
)
ON_FAILURE = Kind(
    "'raise' or 'return'",
    lambda value: value in ("raise", "return"),
    {"enum": ["raise", "return"]},
)
ADDRESS = Kind(
    "an address such as tcp://host:8786, or null",
    lambda value: value is None or (isinstance(value, str) and value != ""),
    {"type": ["string", "null"], "minLength": 1},
)
FOLDER = Kind(
    "the path of a folder, or null",
    lambda value: value is None or (isinstance(value, str) and value != "" and "\0" not in value),
    {"type": ["string", "null"], "minLength": 1},
)
DATABASE = Kind(
    "a mapping of one url, such as {url: env:WAREHOUSE}",
    _is_profile,
    {
        "type": "object",
        "properties": {"url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    },
)


KINDS: Mapping[str, Kind] = {
    "chunk-size": ROWS,
    "max-workers": COUNT_OR_NULL,
    "parallel": FLAG,
    "retries": COUNT,
    "lock-timeout": SECONDS,
    "progress": FLAG_OR_NULL,
    "on-error": ON_ERROR,
    "on-failure": ON_FAILURE,
    "reject-limit": WHOLE,
    "scheduler-address": ADDRESS,
    "spool-folder": FOLDER,
    "max-parallel-jobs": COUNT,
    "connections.limit": COUNT_OR_NULL,
    "connections.wait": SECONDS_OR_NONE,
}
"""Every setting but the profiles, in the order in which they are shown."""

GROUPS = {key.partition(".")[0] for key in KINDS if "." in key}
NAMES = [*KINDS, PROFILES]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is shown."""

    key: str
    """Its name, such as ``connections.limit`` or ``profiles.warehouse``."""
    value: Any
    """Its value; a profile's URL is shown only where it names a variable."""
    origin: str
    """Where it came from: a file, a variable, the job file, the call."""
    doc: str
    """What it means."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its value and the origin of that."""

    _values: Mapping[str, Any] = field(repr=False)
    _places: Mapping[str, str] = field(repr=False)
    """The origins of those that the job file or the call names."""

    def value(self, key: str) -> Any:
        """Return a setting; ``profiles`` is a mapping of name to ``{"url": …}``.

        Raises
        ------
        ConfigurationError
            When there is none of that name.
        """
        if key == PROFILES:
            mine = {k: v for k, v in self._values.items() if _is_in_profiles(k)}
            return {k.partition(".")[2]: v for k, v in mine.items()}
        if key not in self._values:
            raise _unknown(key, "")
        return self._values[key]

    def origin(self, key: str) -> str:
        """Return where a setting's value came from."""
        return self._places.get(key) or _place_in_dask(key, self.value(key))

    def rows(self) -> list[SettingRow]:
        """Return every setting as it is shown: no secret in it."""
        said = docs()
        return [
            SettingRow(key, _shown(key, value), self.origin(key), said[_family(key)])
            for key, value in self._values.items()
        ]

    @property
    def job_fields(self) -> dict[str, Any]:
        """Fields of a :class:`~mapper_dask.MapperJob` that does not say otherwise itself."""
        named = ("chunk-size", "on-error", "reject-limit")
        return {key.replace("-", "_"): self.value(key) for key in named}


def resolve(
    *,
    file: Mapping[str, Any] | None = None,
    file_name: str = "",
    call: Mapping[str, Any] | None = None,
) -> Settings:
    """Return every setting with its current value.

    Parameters
    ----------
    file
        The ``settings`` of a job file.
    file_name
        The name of that file, for errors and for the origin of a value.
    call
        What the caller named: an argument or option that is None was left out.

    Raises
    ------
    ConfigurationError
        Names a setting that nothing has, or whose value it cannot have, and its place.
    """
    import dask

    register(dask.config)
    values = dict(packaged())
    for key, value in _flat(dask.config.get(NAMESPACE)):
        values[key] = _checked(key, value, functools.partial(_place_in_dask, key, value))
    places: dict[str, str] = {}
    named = {key: value for key, value in _flat(call or {}) if value is not None}
    where = f"job file {file_name}".strip()
    for place, layer in ((where, dict(_flat(file or {}))), (CALL, named)):
        values.update(checked(layer, place))
        places.update(dict.fromkeys(layer, place))
    return Settings(values, places)


def checked(layer: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the settings of one place, under their full names; refuse what cannot be.

    Raises
    ------
    ConfigurationError
        Names the setting, the place, and the nearest right name or what it must be;
        ``details["setting"]`` is the name as it was written.
    """
    return {key: _checked(key, value, lambda: place) for key, value in _flat(layer)}


def register(config: Any) -> None:
    """Enter the packaged defaults in Dask's configuration, once a process.

    Parameters
    ----------
    config
        The module ``dask.config``.
    """
    mine = _packaged_file()
    if not any(entered is mine for entered in config.defaults):
        config.update_defaults(mine)


def packaged() -> dict[str, Any]:
    """Return every setting's packaged default."""
    return dict(_flat(_packaged_file()[NAMESPACE]))


@functools.cache
def docs() -> Mapping[str, str]:
    """Return what every setting means: the comment above it in the packaged file."""
    said: dict[str, str] = {}
    comment: list[str] = []
    group = ""
    for line in _packaged_text().splitlines():
        text, indent = line.strip(), len(line) - len(line.lstrip())
        name = text.partition(":")[0]
        if text.startswith("#"):
            comment.append(text.lstrip("# "))
        elif not text:
            comment.clear()
        elif name in GROUPS:
            group = f"{name}."
        elif not indent:
            comment.clear()
        else:
            group = group if indent > len("  ") else ""
            said[f"{group}{name}"] = " ".join(comment)
            comment.clear()
    return said


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a mapping of settings, as a job file holds it."""
    top: dict[str, Any] = {}
    for key, kind in KINDS.items():
        group, _, name = key.rpartition(".")
        inside = top.setdefault(group, _object({}))["properties"] if group else top
        inside[name] = {**kind.schema, "description": docs()[key], "default": packaged()[key]}
    said = docs()[PROFILES]
    top[PROFILES] = {
        "type": "object",
        "additionalProperties": DATABASE.schema,
        "description": said,
    }
    return _object(top)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _packaged_text() -> str:
    return (resources.files("mapper_dask") / "mapper-dask.yaml").read_text(encoding="utf-8")


@functools.cache
def _packaged_file() -> Mapping[str, Any]:
    import yaml

    loaded: Mapping[str, Any] = yaml.safe_load(_packaged_text())
    return loaded


def _flat(layer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield settings under their full names, however they were nested or hyphenated."""
    for written, value in layer.items():
        key = str(written).replace("_", "-")
        if key in GROUPS and isinstance(value, Mapping):
            yield from ((f"{key}.{name}", inner) for name, inner in _flat(value))
        elif key == PROFILES and isinstance(value, Mapping):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        elif key in {*GROUPS, PROFILES} and value is None:  # its lines are all comments
            continue
        else:
            yield key, value


def _checked(key: str, value: Any, place: Callable[[], str]) -> Any:
    kind = DATABASE if _is_in_profiles(key) else KINDS.get(key)
    if kind is None:
        raise _unknown(key, place())
    if kind.accepts(value):
        return value
    got = "something else" if kind is DATABASE else shown(value)  # it may hold a password
    message = f"{key} must be {kind.says}, got {got}{_where(place())}"
    raise ConfigurationError(message, field=key, setting=key)


def _unknown(key: str, place: str) -> ConfigurationError:
    near = difflib.get_close_matches(key, NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}"
    return ConfigurationError(
        f"no setting is named {key}{_where(place)}; {hint}", field=key, setting=key
    )


def _where(place: str) -> str:
    return f" (in {place})" if place else ""


def _is_in_profiles(key: str) -> bool:
    return key.startswith(f"{PROFILES}.")


def _family(key: str) -> str:
    return PROFILES if _is_in_profiles(key) else key


def _shown(key: str, value: Any) -> Any:
    if not _is_in_profiles(key) or value["url"].startswith("env:"):
        return value
    return {"url": "(not shown: it may hold a password)"}


def _place_in_dask(key: str, value: Any) -> str:
    """Return where Dask has a value from: the last place that says so, else ``dask.config.set``.

    Dask itself does not remember. The files and the variables are looked at once more, and only
    when somebody asks.
    """
    place, said = (list(_places_of(key)) or [(IN_PROCESS, None)])[-1]
    same = said == value and type(said) is type(value)  # 1 equals True
    return place if same else IN_PROCESS


def _places_of(key: str) -> Iterator[tuple[str, Any]]:
    """Yield each place below the session that names a setting, the weakest first."""
    import dask

    packed = packaged()
    if key in packed:
        yield PACKAGED, packed[key]
    for path, config in dask.config.collect_yaml(dask.config.paths, return_paths=True):
        yield from ((f"file {path}", value) for value in _named(config, key))
    if INHERITED in os.environ:
        inherited = dask.config.deserialize(os.environ[INHERITED])
        yield from ((IN_PARENT, value) for value in _named(inherited, key))
    for name in os.environ:
        if name.startswith(VARIABLE):
            config = dask.config.collect_env({name: os.environ[name]})
            yield from ((f"environment variable {name}", value) for value in _named(config, key))


def _named(config: Mapping[str, Any], key: str) -> Iterator[Any]:
    """Yield the value a configuration gives a setting, if it does."""
    for name, mine in config.items():
        if str(name).replace("_", "-") == NAMESPACE and isinstance(mine, Mapping):
            yield from (value for found, value in _flat(mine) if found == key)
