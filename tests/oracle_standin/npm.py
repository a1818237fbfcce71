"""Packages of npm's, fetched into a folder that has a package.json."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

COMMAND = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent")


class NoPackageError(Exception):
    """A package cannot be had here; says why."""


def require_packages(folder: Path, wanted: str) -> None:
    """Fetch a folder's packages unless the wanted one is there.

    Raises
    ------
    NoPackageError
        When node or npm is missing, or npm fails.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        message = "node and npm are not installed (apt-get install nodejs npm)"
        raise NoPackageError(message)
    if (folder / "node_modules" / wanted).exists():
        return
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoPackageError(f"npm install failed: {done.stderr[-300:]}")
