"""Plans in a file: the job file as it was written, and the chunks of its jobs.

It has the job file with its variables unresolved, and only digests of a job's fields. So a plan
holds no secret, nor the value of a variable when it was made; a field that differs when it is run
is refused by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mapper_dask.cli.reply import write_file
from mapper_dask.errors import ConfigurationError
from mapper_dask.text_files import read_text

MARK = "mapper_dask_plan"
"""The key that marks a file of plans, with the version of its layout."""

VERSION = 1


@dataclass(frozen=True, slots=True)
class PlanFile:
    """The content of a file of plans."""

    job_file: str
    """The job file's name, for errors."""
    directory: str
    """The job file's folder, relative to the plan's."""
    document: str = field(repr=False)
    """The job file as it was written."""
    jobs: Mapping[str, Any]
    """The saved plan of each job; None for one that is planned when it runs."""
    settings: Mapping[str, Any]
    """Settings of the call that planned."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            MARK: VERSION,
            "job_file": self.job_file,
            "directory": self.directory,
            "document": self.document,
            "settings": dict(self.settings),
            "jobs": dict(self.jobs),
        }

    def save(self, path: str) -> None:
        """Write it, with a digest that shows later changes."""
        stored = self.to_json()
        text = json.dumps({**stored, "digest": _digest(stored)}, indent=1, ensure_ascii=False)
        write_file(path, text + "\n")

    def job_file_at(self, path: str) -> Any:
        """Return the job file, read again with the variables of now."""
        from mapper_dask import jobfile

        folder = Path(path).resolve().parent / self.directory
        shown = f"{path} ({self.job_file})"
        name = Path(self.job_file).stem
        return jobfile.parse(self.document, path=shown, directory=folder, unnamed=name)

    def plans(self) -> dict[str, Any]:
        """Return the saved plan of each job that has one."""
        from mapper_dask.plan.saved_plan import SavedPlan

        return {
            name: SavedPlan.from_json(plan) for name, plan in self.jobs.items() if plan is not None
        }


def relative(directory: str, path: str) -> str:
    """Return a folder relative to that of a plan that is saved at a path."""
    return os.path.relpath(directory, Path(path).resolve().parent)


def _digest(stored: Mapping[str, Any]) -> str:
    import hashlib

    text = json.dumps(stored, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_plan(path: str) -> bool:
    """Return whether a file begins as a plan does; a job file never does."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(200).lstrip().startswith(f'{{\n "{MARK}"')
    except (OSError, ValueError):
        return False


def load(path: str) -> PlanFile:
    """Return the plans of a file.

    Raises
    ------
    ConfigurationError
        When it cannot be read, was changed, or is of another version.
    """
    try:
        stored = json.loads(read_text(path))
        version, digest = stored[MARK], stored.pop("digest", None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{path} is no plan that can be read: {error}"
        raise ConfigurationError(message, field="plan", file=path) from None
    if version != VERSION:
        message = f"{path} is a plan of version {version}, this library knows {VERSION}; plan again"
        raise ConfigurationError(message, field="plan", file=path)
    if digest != _digest(stored):
        message = f"{path} was changed since it was saved; plan again"
        raise ConfigurationError(message, field="plan", file=path)
    del stored[MARK]
    return PlanFile(**stored)
