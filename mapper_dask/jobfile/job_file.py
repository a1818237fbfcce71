"""A job file that was read, and its flow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapper_dask.jobfile.checks import Checks
from mapper_dask.jobfile.document import decoded, read_document
from mapper_dask.jobfile.models import File
from mapper_dask.jobfile.places import Node, Place, SourceFile, with_defaults
from mapper_dask.jobfile.problems import validated
from mapper_dask.near import file_like

if TYPE_CHECKING:
    from mapper_dask.flow import Flow
    from mapper_dask.settings import Settings


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file that has passed all checks. Nothing of it has been executed."""

    path: str
    """The file's name in errors."""
    directory: str
    """The folder of its relative paths."""
    document: str = field(repr=False)
    """Its text, as it was written."""
    file: File = field(repr=False)
    """Its content, with variables filled in and the defaults merged into each job."""
    tree: Node = field(repr=False)
    """The same with the place of each value."""
    unnamed: str | None = None
    """Name of the flow if the file has none; None: the file's own."""

    @property
    def name(self) -> str:
        """Name of the flow: the file's own, else that of the file without its ending."""
        return self.file.name or self.unnamed or Path(self.path).stem

    @property
    def jobs(self) -> tuple[str, ...]:
        """Names of the jobs, in the order they were written."""
        return tuple(self.file.jobs)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The values under ``settings``."""
        return dict(self.file.settings or {})

    def flow(
        self,
        *,
        only: Sequence[str] = (),
        run_id: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
    ) -> Flow:
        """Return the flow: functions are imported now, and connections resolved.

        Parameters
        ----------
        only
            Names of jobs to take; other jobs they depend on count as done. Empty: all.
        run_id
            Name of the run; None: a new one.
        overrides
            Values that replace those of every job, such as ``{"chunking.size": 1000}`` or
            ``{"execution": {"max_workers": 2}}``.
        settings
            Values that a job does not have; None: resolved with the file's own.

        Raises
        ------
        JobFileError
            When a function cannot be imported or does not take its arguments; names the place.
        ConfigurationError
            When ``only`` or ``overrides`` have an unknown name.
        """
        from mapper_dask.jobfile.build import built

        return built(self, only=only, run_id=run_id, overrides=overrides, settings=settings)


def read(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> JobFile:
    """Return a job file, checked without executing anything.

    Parameters
    ----------
    path
        The YAML file.
    environ
        Variables for ``${NAME}``; None: those of this process.

    Raises
    ------
    JobFileError
        The first problem; ``details`` have ``file``, ``line`` and ``column``.
    """
    name, source = Path(path), SourceFile(os.fspath(path))
    try:
        raw = name.read_bytes()
    except OSError as error:
        source.refuse(Place(1, 1), f"cannot be read: {error.strerror}{_meant(name)}")
    if name.suffix.lower() in OTHERS:
        source.refuse(Place(1, 1), OTHERS[name.suffix.lower()].format(name=name.as_posix()))
    text = decoded(raw, source)
    return parse(text, path=source.name, directory=name.resolve().parent, environ=environ)


OTHERS = {
    ".sql": "is a query, not a job file: name it in one, under source, as sql_file: {name}. "
    "`mapper-dask init` writes a first job file",
    ".py": "is a program, not a job file: run it with `python {name}`, or name a function of it "
    "in a job file, under transform",
    ".ipynb": "is a notebook, not a job file: open it with Jupyter",
    **dict.fromkeys(
        (".csv", ".parquet", ".xlsx"),
        "holds rows, not a job file: jobs read from databases. Load it into one first",
    ),
}
"""Files that may be given in place of a job file, by their names' endings."""


def _meant(name: Path) -> str:
    """Return the job file that was meant by the name of a missing one, as the end of a sentence."""
    if name.is_dir():
        inside = file_like(name / "flow.yaml", (".yaml", ".yml"))
        return f"; name a file in it, such as {(name / (inside or 'flow.yaml')).as_posix()}"
    found = None if name.exists() else file_like(name, (".yaml", ".yml"))
    return "" if found is None else f"; did you mean {(name.parent / found).as_posix()!r}?"


def parse(
    text: str,
    *,
    path: str,
    directory: str | os.PathLike[str],
    environ: Mapping[str, str] | None = None,
    unnamed: str | None = None,
) -> JobFile:
    """Return the job file of a text, as :func:`read` does.

    Parameters
    ----------
    text
        Its YAML.
    path
        Its name in errors.
    directory
        The folder of its relative paths.
    environ
        Variables for ``${NAME}``; None: those of this process.
    unnamed
        Name of the flow if the text has none; None: that of ``path`` without its ending.

    Raises
    ------
    JobFileError
        The first problem.
    """
    source = SourceFile(path)
    written = read_document(text, source, os.environ if environ is None else environ)
    tree = with_defaults(written)
    file = validated(tree, source)
    Checks(file, tree, source, Path(directory)).run()
    return JobFile(path, os.fspath(directory), text, file, tree, unnamed)
