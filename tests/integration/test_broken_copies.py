"""A COPY that is broken off says so in an error, and nothing on stderr: least of all a row."""

from __future__ import annotations

import pytest

from mapper_dask.dialects.postgresql import copying
from tests.database import Databases
from tests.scripts import run_script

SCRIPT = "tests/integration/broken_copies.py"
WAYS = ["kill", "cancel", "raise", "kill and raise"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("compiled", ["compiled", "python"])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_broken_copy_leaves_stderr_empty(databases: Databases, direction, compiled, way):
    if compiled == "compiled" and copying.compiled is None:
        pytest.skip("NO COMPILED COPY: there was no C compiler when the library was installed")

    done = run_script(SCRIPT, databases.source.url, direction, compiled, way)

    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    told = done.stdout.splitlines()
    assert len(told) == 12
    assert not any("secret row" in line for line in told)
    expected = "ValueError" if "raise" in way else "DatabaseError"
    assert {line.partition(":")[0] for line in told} == {expected}
