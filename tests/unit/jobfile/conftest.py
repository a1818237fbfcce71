"""Each test imports its own modules."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import cloudpickle
import pytest

from tests.unit.jobfile.files import ENVIRON


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch):
    """Forget what a test has imported from a folder of its own, and what was to go by value."""
    for name, url in ENVIRON.items():
        monkeypatch.setenv(name, url)
    known, path = set(sys.modules), list(sys.path)
    by_value = cloudpickle.list_registry_pickle_by_value()
    yield
    monkeypatch.undo()
    sys.path[:] = path
    for name in cloudpickle.list_registry_pickle_by_value() - by_value:
        cloudpickle.unregister_pickle_by_value(sys.modules.get(name) or ModuleType(name))
        if name not in known:
            sys.modules.pop(name, None)
    importlib.invalidate_caches()
