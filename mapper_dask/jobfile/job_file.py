"""A job file that was read: what it says, and the flow that comes of it."""

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
    """A job file that nothing speaks against. Nothing of it has been run."""

    path: str
    """The file, as errors name it."""
    directory: str
    """Where its relative paths begin."""
    document: str = field(repr=False)
    """Its text, as it was written."""
    file: File = field(repr=False)
    """What it says: variables filled in, defaults laid under each job."""
    tree: Node = field(repr=False)
    """The same with the place of each value."""
    unnamed: str | None = None
    """What the flow is called where the file does not say; None: as the file itself."""

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
        """What stands under ``settings``."""
        return dict(self.file.settings or {})

    def flow(
        self,
        *,
        only: Sequence[str] = (),
        run_id: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
    ) -> Flow:
        """Return the flow: functions are imported now, and connections found.

        Parameters
        ----------
        only
            Names of jobs to take; what they depend on beside them counts as done. Empty: all.
        run_id
            Name of the run; None: a new one.
        overrides
            Values that win over the file in every job, such as ``{"chunking.size": 1000}`` or
            ``{"execution": {"max_workers": 2}}``.
        settings
            What holds where a job does not say; None: resolved with the file's own.

        Raises
        ------
        JobFileError
            When a function cannot be imported or does not take its arguments; names the place.
        ConfigurationError
            When ``only`` or ``overrides`` name what is not there.
        """
        from mapper_dask.jobfile.build import built

        return built(self, only=only, run_id=run_id, overrides=overrides, settings=settings)


def read(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> JobFile:
    """Return a job file, checked as far as it goes without running anything.

    Parameters
    ----------
    path
        The YAML file.
    environ
        Variables for ``${NAME}``; None: those of this process.

    Raises
    ------
    JobFileError
        The first thing that is wrong; ``details`` hold ``file``, ``line`` and ``column``.
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
"""What files are that somebody may give in place of a job file, by their names' endings."""


def _meant(name: Path) -> str:
    """Return which job file was meant, as the end of a sentence about one that is not there."""
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
    """Return the job file a text is, as :func:`read` does.

    Parameters
    ----------
    text
        Its YAML.
    path
        What errors call it.
    directory
        Where its relative paths begin.
    environ
        Variables for ``${NAME}``; None: those of this process.
    unnamed
        Name of the flow where the text has none; None: that of ``path`` without its ending.

    Raises
    ------
    JobFileError
        The first thing that is wrong.
    """
    source = SourceFile(path)
    written = read_document(text, source, os.environ if environ is None else environ)
    tree = with_defaults(written)
    file = validated(tree, source)
    Checks(file, tree, source, Path(directory)).run()
    return JobFile(path, os.fspath(directory), text, file, tree, unnamed)
