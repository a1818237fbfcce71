"""The shape of a job file: its keys, and the types of their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from mapper_dask.bounds import MOST, MOST_SECONDS
from mapper_dask.incremental import LONGEST_COMMIT_WAIT
from mapper_dask.jobfile.values import READERS, anything, setting, span, typed, typed_or_list
from mapper_dask.jobfile.variables import wanted_as_value
from mapper_dask.mapping.expressions import parse
from mapper_dask.mapping.types import type_named

OURS = "plain"
"""Kind of an error with this library's text."""

_IDENTIFIER = r"[^\W\d]\w*"
_FUNCTION = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}(\.{_IDENTIFIER})*")
_PARAM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def _says(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a check as pydantic wants it: what it raises becomes an error in our words."""

    def run(value: Any) -> Any:
        try:
            return check(value)
        except ValueError as error:
            raise PydanticCustomError(OURS, "{text}", {"text": str(error)}) from None

    return run


def _text(value: str) -> str:
    if not value.strip() or "\0" in value:
        message = "is empty"
        raise ValueError(message)
    return str(value)  # and no longer one that was filled in


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            message = f"must be {what}"
            raise ValueError(message)
        return str(value)

    return check


def _function(value: str) -> str:
    dotted = _FUNCTION.fullmatch(value) is not None
    if not dotted or "__" in value:
        message = "must name a function as package.module:function"
        raise ValueError(message)
    return str(value)


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _once(value: list[str]) -> list[str]:
    twice = next((name for name in value if value.count(name) > 1), None)
    if twice is not None:
        message = f"names {twice!r} twice"
        raise ValueError(message)
    return value


def _some(value: list[str]) -> list[str]:
    if not value:
        message = "is an empty list"
        raise ValueError(message)
    return _once(value)


def _size(value: Any) -> Any:
    value = wanted_as_value(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST
    if not whole and value != "auto":
        message = "must be a whole number of at least 1, or auto"
        raise ValueError(message)
    return value


def _type(value: str) -> str:
    type_named(value)
    return str(value)


def _expression(value: str) -> str:
    parse(value)
    return str(value)


def _lower(value: Any) -> Any:
    return str(value).lower() if isinstance(value, str) else value


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


_ANY_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_TYPED: dict[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys(READERS, _ANY_SCALAR),
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_VALUE: dict[str, Any] = {"anyOf": [_ANY_SCALAR, _TYPED]}
_NAMES_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Text = Annotated[str, AfterValidator(_says(_text)), Field(min_length=0)]
JobName = Annotated[
    str,
    AfterValidator(
        _says(_matching(_NAME, "a name of letters, digits, _, - and ., at most 63 of them"))
    ),
]
ParamName = Annotated[
    str, AfterValidator(_says(_matching(_PARAM, "a name of letters, digits and _")))
]
Names = Annotated[
    list[Text],
    BeforeValidator(_names),
    AfterValidator(_says(_some)),
    WithJsonSchema(_NAMES_SCHEMA),
]
MaybeNames = Annotated[
    list[Text],
    BeforeValidator(_names),
    AfterValidator(_says(_once)),
    WithJsonSchema(_NAMES_SCHEMA),
]
Param = Annotated[
    Any,
    PlainValidator(_says(typed_or_list)),
    WithJsonSchema({"anyOf": [*_VALUE["anyOf"], {"type": "array", "items": _VALUE}]}),
]
Value = Annotated[Any, PlainValidator(_says(typed)), WithJsonSchema(_VALUE)]
Function = Annotated[str, AfterValidator(_says(_function))]
ColumnTypeName = Annotated[str, AfterValidator(_says(_type))]
Expression = Annotated[str, AfterValidator(_says(_expression))]
Size = Annotated[
    Any,
    PlainValidator(_says(_size)),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
Overlap = Annotated[
    Any,
    PlainValidator(_says(span)),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]
Number = BeforeValidator(_says(wanted_as_value))
Word = BeforeValidator(_word)
Count = Annotated[int, Field(ge=1, le=MOST), Number]
Whole = Annotated[int, Field(ge=0, le=MOST), Number]
Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False), Number]
Wait = Annotated[float, Field(ge=0, le=LONGEST_COMMIT_WAIT, allow_inf_nan=False), Number]


Truth = Annotated[bool, Number]
Anything = Annotated[Any, PlainValidator(_says(anything)), WithJsonSchema({})]
Setting = Annotated[Any, PlainValidator(_says(setting)), WithJsonSchema({})]


class Section(BaseModel):
    """What all of them have: no key that is not known, no value of another type."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Section"),
    )


class IncrementalSection(Section):
    """Which rows are new since the last run."""

    column: Text = Field(description="Column of the query whose values grow.")
    overlap: Overlap | None = Field(
        default=None,
        description="How far below the last high value the next run begins, for rows that came "
        "late: a number, or a time such as 1h, 2 days or P1DT12H. For write_disposition merge.",
    )
    start: Value | None = Field(
        default=None,
        description="Where the first run begins (excluded); without it, with every row.",
    )
    in_progress: Annotated[Literal["wait", "ignore"], Word] | None = Field(
        default=None,
        description="Transactions of the source that may still commit rows below the greatest "
        "value: wait for them and stay below those that remain (without it), or ignore them.",
    )
    commit_wait: Wait | None = Field(
        default=None, description="Seconds for which their end is waited for (5 without it)."
    )
    range_end: Annotated[Literal["closed", "open"], Word] | None = Field(
        default=None,
        description="closed reads up to the greatest value; open leaves that value to the run that "
        "finds a greater one.",
    )
    check_target: Truth | None = Field(
        default=None,
        description="Whether a run first looks whether the target still holds what the last one "
        "has loaded (true without it).",
    )


class SourceSection(Section):
    """What is read."""

    connection: Text | None = Field(
        default=None,
        description="A name under connections, env:NAME, profile:NAME or a URL without secret.",
    )
    sql: Text | None = Field(default=None, description="The query.")
    sql_file: Text | None = Field(
        default=None, description="File that holds the query, from the folder of the job file."
    )
    table: Text | None = Field(
        default=None, description="A table to read whole: name, or schema.name."
    )
    params: dict[ParamName, Param] | None = Field(
        default=None, description="Values for the places marked :name in the query."
    )
    columns: Names | None = Field(
        default=None, description="Columns of the query to read; all without it."
    )
    consistent: Truth | None = Field(
        default=None, description="Whether all chunks must read one snapshot (true without it)."
    )
    incremental: IncrementalSection | None = Field(default=None, description="Read new rows only.")


class TransformSection(Section):
    """What is done to the rows: function, rename, cast, constant, expression, drop; so ordered."""

    function: Function | None = Field(
        default=None, description="DataFrame → DataFrame, as package.module:function."
    )
    arguments: dict[str, Anything] | None = Field(
        default=None,
        alias="with",
        description="Arguments the function gets by name, beside the frame.",
    )
    dtype_backend: Annotated[Literal["pyarrow", "numpy_nullable"], Word] | None = Field(
        default=None, description="Dtypes the function sees (pyarrow without it)."
    )
    rename: dict[Text, Text] | None = Field(default=None, description="Column: its new name.")
    cast: dict[Text, ColumnTypeName] | None = Field(
        default=None,
        description="Column: its type, one of int16, int32, int64, float32, float64, text, bool, "
        "date, timestamp, timestamptz, decimal(p, s). A value that would be lost is an error.",
    )
    constant: dict[Text, Value] | None = Field(
        default=None, description="New column: the value that all its rows have."
    )
    expression: dict[Text, Expression] | None = Field(
        default=None,
        description="New column: what it is computed of, such as distance / air_time * 60.",
    )
    drop: Names | None = Field(default=None, description="Columns that go no further.")


class TargetSection(Section):
    """Where the rows go; without a target the job is a dry run, which reads and counts."""

    connection: Text | None = Field(
        default=None,
        description="A name under connections, env:NAME, profile:NAME or a URL without secret.",
    )
    schema_: Text | None = Field(
        default=None, alias="schema", description="Its schema; without it, the connection's."
    )
    table: Text | None = Field(default=None, description="Table that receives the rows.")
    write_disposition: Annotated[Literal["append", "replace", "merge"], Word] | None = Field(
        default=None, description="How they enter it (append without it)."
    )
    primary_key: Names | None = Field(
        default=None,
        description="Key by which rows are merged; without it, the table's primary key.",
    )
    newest_by: Text | None = Field(
        default=None,
        description="Of several rows with one key, that with the greatest value here is merged.",
    )
    atomic: Truth | None = Field(
        default=None, description="Whether appended rows appear all at once."
    )
    direct_path: Truth | None = Field(
        default=None, description="Load an Oracle target by the direct path."
    )


class ChunkingSection(Section):
    """How the query is cut."""

    strategy: (
        Annotated[
            Literal["key_based", "rowid_based", "offset_limit"],
            BeforeValidator(_lower),
        ]
        | None
    ) = Field(default=None, description="How to cut; without it, chosen, and the plan says why.")
    key: Names | None = Field(default=None, description="Column or columns to cut by.")
    size: Size | None = Field(
        default=None, description="Rows wanted a chunk, or auto for about 32 MB."
    )


class ExecutionSection(Section):
    """How the job runs."""

    on_error: Annotated[Literal["abort", "continue"], Word] | None = Field(
        default=None, description="Whether a failed chunk stops the job or is passed over."
    )
    reject_limit: Whole | None = Field(default=None, description="Rows the job may reject.")
    retries: Count | None = Field(
        default=None, description="Attempts at a chunk whose error may pass."
    )
    lock_timeout: Seconds | None = Field(
        default=None, description="Seconds an attempt waits for a lock in the target."
    )
    max_workers: Count | None = Field(default=None, description="Workers the job may keep busy.")
    parallel: Truth | None = Field(
        default=None, description="false runs its chunks one after the other in the coordinator."
    )


class Sections(Section):
    """What a job and the defaults have in common."""

    source: SourceSection | None = Field(default=None, description="What is read.")
    transform: TransformSection | None = Field(
        default=None, description="What is done to the rows."
    )
    target: TargetSection | None = Field(
        default=None, description="Where they go; without it, a dry run."
    )
    chunking: ChunkingSection | None = Field(default=None, description="How the query is cut.")
    execution: ExecutionSection | None = Field(default=None, description="How the job runs.")


class Job(Sections):
    """One job."""

    depends_on: MaybeNames | None = Field(
        default=None, description="Jobs that must have succeeded before this one begins."
    )


class File(Section):
    """A flow of jobs that move rows from queries into tables."""

    version: Annotated[Literal[1], Number] = Field(description="Version of the format: 1.")
    name: Text | None = Field(
        default=None,
        description="Name of the flow, which its watermarks are kept under; the file's without.",
    )
    ledger: Text | None = Field(
        default=None, description="Connection of the flow's ledger; without it, the first target's."
    )
    settings: dict[str, Setting] | None = Field(
        default=None, description="Settings for all jobs; see mapper-dask config."
    )
    max_parallel_jobs: Count | None = Field(
        default=None, description="Independent jobs that run at a time; 1 runs one after the other."
    )
    connections: dict[JobName, Text] | None = Field(
        default=None,
        description="Short names for connections: env:NAME, profile:NAME, URLs without secret.",
    )
    defaults: Sections | None = Field(
        default=None, description="What every job has that does not say else."
    )
    jobs: dict[JobName, Job] = Field(min_length=1, description="The jobs, by name.")
