"""Writes a job file from a live table: its query and key, and other options as comments."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from mapper_dask.connections.reference import ConnectionRef
from mapper_dask.dialects import dialect_for
from mapper_dask.dialects.base import Dialect
from mapper_dask.dialects.opening import open_target
from mapper_dask.errors import ConfigurationError
from mapper_dask.mapper_job import MapperJob
from mapper_dask.plan.chunk_manager import ChunkManager
from mapper_dask.plan.chunk_plan import ChunkPlan
from mapper_dask.schema.facts import Column, TargetTable, TypeFamily

GROWING = (TypeFamily.TIMESTAMP, TypeFamily.TIMESTAMP_TZ, TypeFamily.DATE)
"""Families of columns that usually identify new rows."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The facts of the table, and of its target."""

    source: ConnectionRef
    table: TargetTable
    plan: ChunkPlan
    target: ConnectionRef | None = None
    target_table: TargetTable | None = None
    """The table of the same name in the target; None if there is none yet."""
    ddl: str = ""
    """The statement that creates it; empty without a target."""
    missing: tuple[str, ...] = field(default=())
    """Columns that a table in the target lacks."""

    @property
    def candidates(self) -> list[str]:
        """Columns that may identify new rows: times first, then a whole number as key."""
        times = [c.name for c in self.table.columns if c.family in GROWING]
        key = self.table.primary_key
        numbers = [
            c.name
            for c in self.table.columns
            if c.family is TypeFamily.INTEGER and key == (c.name,)
        ]
        return [*times, *numbers]


def draft(source: ConnectionRef, name: str, target: ConnectionRef | None) -> Draft:
    """Return the facts of a table, and of its target.

    Parameters
    ----------
    name
        The table, with or without its schema.

    Raises
    ------
    ConfigurationError
        When there is no such table.
    """
    table = _table(source, name, "source")
    if table is None:
        message = f"table {name} does not exist in {source}"
        raise ConfigurationError(message, field="table")
    dialect = dialect_for(source)
    sql = f"SELECT * FROM {_qualified(dialect, table)}"
    plan = ChunkManager().plan(MapperJob(source_conn=source, source_sql=sql))
    if target is None:
        return Draft(source, table, plan)
    there = _table(target, table.name, "target")
    names = {c.name for c in there.columns} if there else set()
    missing = tuple(c.name for c in table.columns if there and c.name not in names)
    return Draft(source, table, plan, target, there, create_table(dialect, target, table), missing)


def _table(ref: ConnectionRef, name: str, field_name: str) -> TargetTable | None:
    schema, dot, table = name.rpartition(".")
    with open_target(ref, field_name) as session:
        return session.target_table(schema if dot else None, table)


def _qualified(dialect: Dialect, table: TargetTable) -> str:
    return f"{dialect.quote(table.schema)}.{dialect.quote(table.name)}"


def create_table(source: Dialect, target: ConnectionRef, table: TargetTable) -> str:
    """Return the statement that creates such a table in the target, with its primary key."""
    dialect = dialect_for(target, "target")
    kin = dialect.name == source.name
    lines = [
        f"{dialect.quote(c.name)} {c.type_name if kin else dialect.ddl_type(c)}"
        + (" NOT NULL" if c.not_null else "")
        for c in table.columns
    ]
    if table.primary_key:
        lines.append(f"PRIMARY KEY ({', '.join(dialect.quote(c) for c in table.primary_key)})")
    return f"CREATE TABLE {dialect.quote(table.name)} (\n    " + ",\n    ".join(lines) + "\n)"


def written(found: Draft) -> str:
    """Return the job file, with the other facts as comments."""
    job = _scalar(found.table.name if _is_name(found.table.name) else "table")
    parts = [
        *_head(found),
        "version: 1",
        "",
        "connections:",
        f"  source: {_scalar(_portable(found.source))}",
        *([f"  target: {_scalar(_portable(found.target))}"] if found.target else []),
        "",
        "jobs:",
        f"  {job}:",
        *(f"    {line}".rstrip() for line in _job(found)),
    ]
    return "\n".join(parts) + "\n"


def _head(found: Draft) -> list[str]:
    lines = [
        f"{found.table.schema}.{found.table.name}: about {found.plan.config.total_rows:,} rows.",
        "Check it with `mapper-dask check`, look at its chunks with `mapper-dask plan`,",
        "run it with `mapper-dask run`. All keys: `mapper-dask schema`.",
    ]
    return [f"# {_line(line)}" for line in lines]


def _job(found: Draft) -> list[str]:
    return [*_source(found), *_transform(), *_target(found), *_chunking(found), *_execution()]


def _source(found: Draft) -> list[str]:
    table = found.table
    name = f"{table.schema}.{table.name}"
    lines = ["source:", "  connection: source", f"  table: {_scalar(name)}"]
    lines += ["  # Columns and their types; `columns: [...]` reads some of them:"]
    lines += [f"  #   {_line(column.name)}: {_line(_type(column))}" for column in table.columns]
    if found.candidates:
        lines += [
            "  # To read only what is new since the last run, by one of:",
            f"  #   {_line(', '.join(found.candidates))}",
            "  # incremental:",
            f"  #   column: {_line(_scalar(found.candidates[0]))}",
        ]
    return lines


def _type(column: Column) -> str:
    return f"{column.type_name}{' NOT NULL' if column.not_null else ''}"


def _transform() -> list[str]:
    return [
        "# transform:",
        "#   function: my_package.my_module:my_function  # DataFrame -> DataFrame",
        "#   rename: {old_name: new_name}",
        "#   drop: [column]",
    ]


def _target(found: Draft) -> list[str]:
    if found.target is None:
        return [
            "# Without a target this is a dry run: it reads and counts.",
            "# target:",
            "#   connection: env:TARGET",
            f"#   table: {_line(_scalar(found.table.name))}",
        ]
    body = [
        "target:",
        "  connection: target",
        f"  table: {_scalar(found.table.name)}",
        "  write_disposition: append  # or replace; or merge, by the primary key",
    ]
    made = [f"#   {_line(line)}" for line in found.ddl.splitlines()]
    if found.target_table is None:
        intro = "# The target has no such table yet; until this was run there, this is a dry run:"
        return [intro, *made, *(f"# {line}" for line in body)]
    if found.missing:
        intro = (
            f"# The target's table lacks {_line(', '.join(found.missing))}; until it has them, "
            "this is a dry run. Made again it would be:"
        )
        return [intro, *made, *(f"# {line}" for line in body)]
    return [*body, "  # Made by:", *(f"  {line}" for line in made)]


def _chunking(found: Draft) -> list[str]:
    config = found.plan.config
    lines = [f"# Cut by {config.strategy.name}: {_line(config.reason)}."]
    if not config.key_columns:
        return [*lines, "# chunking:", "#   size: 50000"]
    key = ", ".join(_scalar(name) for name in config.key_columns)
    return [*lines, "chunking:", f"  key: [{key}]", f"  size: {config.chunk_size}"]


def _execution() -> list[str]:
    return [
        "# execution:",
        "#   reject_limit: 100  # rows that may be rejected; 0: the first one fails its chunk",
        "#   on_error: continue  # pass over chunks that fail; abort: stop at the first",
    ]


def _portable(ref: ConnectionRef | None) -> str:
    portable = None if ref is None else ref.portable
    if portable is None:
        message = "give connections as env:NAME, profile:NAME or a URL without a password"
        raise ConfigurationError(message, field="source")
    return portable


def _scalar(text: str) -> str:
    """Return a text as YAML in one line; ``$`` begins no variable in it."""
    dumped = yaml.safe_dump(text.replace("${", "$${"), allow_unicode=True, width=10_000)
    return str(dumped.removesuffix("...\n").strip())


def _line(text: str) -> str:
    """Return a text that cannot leave its comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def _is_name(text: str) -> bool:
    plain = text.replace("_", "").replace("-", "").replace(".", "")
    return plain.isascii() and plain.isalnum() and text[0].isalnum() and len(text) <= LONGEST_NAME


LONGEST_NAME = 63
"""Characters of a job's name in a job file."""
