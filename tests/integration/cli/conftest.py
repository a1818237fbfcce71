"""The workshop of every test here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database import Databases
from tests.integration.cli.workshop import Workshop, opened


@pytest.fixture
def shop(tmp_path: Path, databases: Databases) -> Workshop:
    return opened(tmp_path, databases)
