"""A driver of another language, fetched when it is first needed."""

from __future__ import annotations

from pathlib import Path

from tests.oracle_standin.npm import NoPackageError as NoClientError
from tests.oracle_standin.npm import require_packages

FOLDER = Path(__file__).parent

__all__ = ["NoClientError", "installed"]


def installed() -> Path:
    """Return the folder in which node finds the driver.

    Raises
    ------
    NoClientError
        When there is no node, or the driver cannot be fetched.
    """
    require_packages(FOLDER, "oracledb")
    return FOLDER
