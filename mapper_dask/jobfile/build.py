"""Builds a flow from a checked job file: connections, queries and functions, job by job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mapper_dask import settings as layers
from mapper_dask.connections.masking import secrets_of
from mapper_dask.connections.reference import reference
from mapper_dask.connections.urls import parse_url
from mapper_dask.dialects import dialect_for
from mapper_dask.errors import ConfigurationError, JobFileError
from mapper_dask.flow import Flow, FlowJob
from mapper_dask.incremental import Incremental
from mapper_dask.jobfile import models
from mapper_dask.jobfile.checks import Checks
from mapper_dask.jobfile.functions import FunctionError, found, require_arguments
from mapper_dask.jobfile.places import Node, Place, SourceFile, merged, over_jobs
from mapper_dask.jobfile.problems import nearest, validated
from mapper_dask.mapper_job import FIELDS, MapperJob
from mapper_dask.mapping.transform import Transform
from mapper_dask.schema.nearby import parts_of
from mapper_dask.settings import Settings
from mapper_dask.text_files import read_text

if TYPE_CHECKING:
    from mapper_dask.jobfile.job_file import JobFile

SECTIONS = tuple(models.Sections.model_fields)


def built(
    job_file: JobFile,
    *,
    only: Sequence[str],
    run_id: str | None,
    overrides: Mapping[str, Any] | None,
    settings: Settings | None,
) -> Flow:
    """Return the flow of a job file; see :meth:`JobFile.flow`."""
    job_file = _overridden(job_file, overrides or {})
    known = settings or layers.resolve(file=job_file.settings, file_name=job_file.path)
    names = _chosen(job_file, only)
    builder = _FlowBuilder(job_file, known)
    return Flow(
        name=job_file.name,
        jobs=tuple(builder.flow_job(name, names) for name in names),
        ledger_conn=builder.connection(job_file.file.ledger),
        run_id=run_id,
        max_parallel_jobs=job_file.file.max_parallel_jobs,
        document=job_file.document,
        directory=job_file.directory,
    )


def _chosen(job_file: JobFile, only: Sequence[str]) -> list[str]:
    for name in only:
        if name not in job_file.jobs:
            message = f"{job_file.path} has no job {name!r}; {nearest(name, job_file.jobs)}"
            raise ConfigurationError(message, field="only")
    return [name for name in job_file.jobs if not only or name in only]


def _overridden(job_file: JobFile, overrides: Mapping[str, Any]) -> JobFile:
    """Return a job file with values of the call over those of each job."""
    if not overrides:
        return job_file
    over = _as_node(_nested(overrides))
    tree = over_jobs(job_file.tree, lambda job: merged(job, over))
    source = SourceFile(job_file.path)
    try:
        file = validated(tree, source)
        Checks(file, tree, source, Path(job_file.directory)).run()
    except JobFileError as error:
        about = str(error.details.get("field") or "").split(".", 2)[-1]
        said = str(error).partition(": ")[2]
        message = f"overrides: {said}"
        raise ConfigurationError(message, field=about or "overrides") from None
    return replace(job_file, file=file, tree=tree)


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        if section not in SECTIONS:
            message = f"overrides: {section!r} is no section of a job; {nearest(section, SECTIONS)}"
            raise ConfigurationError(message, field="overrides")
        inside = made.setdefault(section, {})
        inside.update({key: value} if key else value)
    return made


def _as_node(value: Any) -> Node:
    place = Place(1, 1)
    if isinstance(value, Mapping):
        return Node({str(k): _as_node(v) for k, v in value.items()}, place)
    if isinstance(value, (list, tuple)):
        return Node([_as_node(item) for item in value], place)
    return Node(value, place)


def _called(settings: Settings) -> dict[str, Any]:
    """Return the settings of the call, which take precedence over those of a job."""
    keys = [*settings.job_fields, "max_workers", "parallel", "retries", "lock_timeout"]
    named = {key: key.replace("_", "-") for key in keys}
    return {
        key: settings.value(name)
        for key, name in named.items()
        if settings.origin(name) == layers.CALL
    }


class _FlowBuilder:
    """Builds the jobs of one file."""

    def __init__(self, job_file: JobFile, settings: Settings) -> None:
        self.job_file = job_file
        self.fields = settings.job_fields
        self.called = _called(settings)
        self.source = SourceFile(job_file.path)

    def flow_job(self, name: str, chosen: Sequence[str]) -> FlowJob:
        """Return a job, waiting for those of its dependencies that are chosen."""
        job = self.job_file.file.jobs[name]
        execution = job.execution or models.ExecutionSection()
        mapper_job = self._mapper_job(name, job)
        return FlowJob(
            name=name,
            job=mapper_job,
            depends_on=tuple(other for other in job.depends_on or () if other in chosen),
            incremental=_incremental(job),
            max_workers=self.called.get("max_workers", execution.max_workers),
            parallel=self.called.get("parallel", execution.parallel is not False),
            retries=self.called.get("retries", execution.retries),
            lock_timeout=self.called.get("lock_timeout", execution.lock_timeout),
        )

    def connection(self, text: str | None) -> str | None:
        """Return a connection's reference, by its name in the file if it has one."""
        found = (self.job_file.file.connections or {}).get(text or "", text)
        # Checked before, more strictly, without SQLAlchemy; this parser is the one that connects.
        if found is not None and "://" in found and secrets_of(parse_url(found)):
            message = "a connection is a URL with a secret (not shown): write env:NAME"
            raise ConfigurationError(message, field="connection")
        return found

    def _mapper_job(self, name: str, job: models.Job) -> MapperJob:
        source = job.source or models.SourceSection()
        keys = {name: one.key for name, one in FIELDS.items() if one.key}
        said = {n: getattr(getattr(job, section), k, None) for n, (section, k) in keys.items()}
        called = {name: self.called[name] for name in self.fields if name in self.called}
        try:
            return MapperJob(
                source_conn=self.connection(source.connection),
                source_sql=self._query(name, source),
                transformation_logic=self._transform(name, job.transform),
                target_conn=self.connection(job.target.connection) if job.target else None,
                **{**self.fields, **{k: v for k, v in said.items() if v is not None}, **called},
            ).validated()
        except JobFileError:
            raise
        except ConfigurationError as error:
            self._refuse(("jobs", name), str(error))

    def _query(self, name: str, source: models.SourceSection) -> str:
        if source.sql is not None:
            return source.sql
        if source.sql_file is not None:
            path = Path(self.job_file.directory) / source.sql_file
            try:
                return read_text(path)
            except (OSError, ValueError) as error:  # it was readable when it was checked
                reason = error.strerror if isinstance(error, OSError) else error
                self._refuse(("jobs", name, "source", "sql_file"), f"names a file that {reason}")
        return self._select(name, source)

    def _select(self, name: str, source: models.SourceSection) -> str:
        """Return the query of a table, with its name quoted in the database's dialect."""
        path = ("jobs", name, "source", "table")
        parts = parts_of((source.table or "").strip()) or ()
        if len(parts) not in (1, 2):
            self._refuse(path, "must be a name or schema.name; a name with a dot goes in quotes")
        try:
            dialect = dialect_for(reference(self.connection(source.connection), ""))
            quoted = ".".join(dialect.quote(part) for part in parts)
        except ValueError as error:
            self._refuse(path, str(error))
        return f"SELECT * FROM {quoted}"

    def _transform(self, name: str, said: models.TransformSection | None) -> Transform | None:
        if said is None:
            return None
        path = ("jobs", name, "transform")
        steps = {
            key: getattr(said, key) or None
            for key in ("arguments", "rename", "cast", "constant", "expression", "drop")
        }
        given = {key: value for key, value in steps.items() if value is not None}
        function = None
        if said.function is not None:
            function = self._function((*path, "function"), said.function)
            try:
                require_arguments(function, said.arguments or {})
            except FunctionError as error:
                self._refuse((*path, "with" if said.arguments else "function"), str(error))
        if function is None and not given:
            return None
        return Transform(function=function, dtype_backend=said.dtype_backend or "pyarrow", **given)

    def _function(self, path: tuple[str, ...], name: str) -> Any:
        try:
            return found(name, self.job_file.directory)
        except FunctionError as error:
            self._refuse(path, str(error))

    def _refuse(self, path: tuple[str, ...], message: str) -> NoReturn:
        self.source.refuse(self.job_file.tree.nearest(path), message, path)


def _incremental(job: models.Job) -> Incremental | None:
    said = job.source.incremental if job.source is not None else None
    if said is None:
        return None
    options = said.model_dump(exclude={"overlap", "start"}, exclude_none=True)
    return Incremental(overlap=said.overlap, start=said.start, **options)
