"""Fixtures for every test: servers, databases, and a session that leaves nothing behind.

Set ``MAPPER_DASK_TEST_PG_DSN`` to run on a server of your own instead of the embedded one; the
tests create and drop databases named ``mapper_dask_test_…`` there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dask
import hypothesis
import pytest

from mapper_dask import retries
from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from tests import durations, long_form, short_form
from tests.database import (
    TEST_SETTINGS,
    Databases,
    ExternalServer,
    Server,
    fresh_databases,
    recycled_databases,
)
from tests.leftovers import in_the_home, processes_left, public_listeners
from tests.machine import SIGNS, folders_of_their_own, no_workers
from tests.oracle import real_url, standin_on
from tests.oracle_standin import Running, gate
from tests.oracle_standin.npm import NoPackageError
from tests.required import required

ON_FAILURE = "DASK_MAPPER_DASK__ON_FAILURE"
# Hundreds of tests look at what became of a run that was meant to fail. What holds where nobody
# says otherwise, that such a run is raised, has tests of its own (test_told_plainly.py), and every
# block of the documentation.
os.environ[ON_FAILURE] = "return"
dask.config.set({"mapper-dask.on-failure": "return"})
# Of clusters that tests start themselves: on Python 3.11 the profiler can stop a worker for ever
# (python/cpython#106883). Those that runs start have it off.
dask.config.set({"distributed.worker.profile.enabled": False})

DSN_VARIABLE = "MAPPER_DASK_TEST_PG_DSN"

# What a test needs stands in its folder's name.
MARKED_FOLDERS = {
    "contract": pytest.mark.integration,
    "fault": pytest.mark.fault,
    "integration": pytest.mark.integration,
}

# Examples that open a connection are slow at first; a deadline would fail them at random.
hypothesis.settings.register_profile(
    "mapper_dask", deadline=None, print_blob=True, max_examples=long_form.EXAMPLES
)
hypothesis.settings.load_profile("mapper_dask")


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail a session that leaves a process, a public listener or a folder behind, naming each.

    It is made before every other fixture, and so ends after them; when the tests are spread over
    processes, each of those looks after its own.
    """
    before = in_the_home()
    yield
    new = [folder for folder in in_the_home() if folder not in before]
    offenders = [*processes_left(), *public_listeners(), *new]
    assert not offenders, "left behind: " + "; ".join(offenders)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server all tests share. Never restart it: ``private_server`` is for that."""
    with ExitStack() as stack:
        if dsn := os.environ.get(DSN_VARIABLE):
            server: Server = ExternalServer(dsn)
        else:
            server = stack.enter_context(embedded_postgres(settings=TEST_SETTINGS))
        stack.enter_context(recycled_databases(server))
        yield server


@pytest.fixture
def databases(postgres_server: Server) -> Iterator[Databases]:
    """Two fresh databases, ``databases.source`` and ``databases.target``."""
    with fresh_databases(postgres_server) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def standin(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The protocol stand-in for Oracle; at the end every statement it ran is checked.

    A test that sets faults clears them.
    """
    journal = tmp_path_factory.mktemp("oracle") / "journal"
    with standin_on(postgres_server, str(journal)) as running:
        yield running
    try:
        refused = gate.unexplained(journal)
    except NoPackageError as error:
        if required("grammar"):
            raise
        sys.stderr.write(f"\nNOT CHECKED by an independent Oracle grammar: {error}\n")
    else:
        assert not refused, "no Oracle would run this:\n" + "\n\n".join(refused)


@pytest.fixture(scope="session")
def oracle_url(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """What makes a role, ``source`` or ``target``, a URL: a server of yours, or the stand-in."""
    if (url := real_url()) is not None:
        return lambda _role: url
    return request.getfixturevalue("standin").url


@pytest.fixture
def private_server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, which it may stop, crash and restart."""
    with embedded_postgres(settings=TEST_SETTINGS) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_waits_without_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Try again at once where no database can be slow."""
    if not any(request.node.get_closest_marker(name) for name in MARKED_FOLDERS):
        monkeypatch.setattr(retries, "FIRST_WAIT", 0)


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing be left in the home of whoever runs the tests."""
    folders = folders_of_their_own()
    folders.__enter__()
    no_workers()  # asked now: a test may let it seem so
    short_form.decide(config)
    durations.record(config)
    config.option.loadscopereorder = False  # ours puts the longest first, not the most tests
    config.add_cleanup(lambda: folders.__exit__(None, None, None))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        if folder in MARKED_FOLDERS:
            item.add_marker(MARKED_FOLDERS[folder])
        if long_form.is_repeated(item, folder):
            item.add_marker(pytest.mark.long_form)
        if (folder == "fault" or item.get_closest_marker("workers")) and no_workers():
            item.add_marker(pytest.mark.skip(reason=no_workers()))
    chosen, later = long_form.choose(items)
    items[:] = short_form.longest_first(chosen)
    if later:
        config.hook.pytest_deselected(items=later)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Make a skip of what failed for want of worker processes, on a machine that can have none."""
    report = yield
    if report.failed and no_workers() and any(sign in report.longreprtext for sign in SIGNS):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {no_workers()}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test during which something listens on the network (its fixtures are still up)."""
    result = yield
    if any(item.get_closest_marker(name) for name in MARKED_FOLDERS):
        open_to_all = public_listeners()
        assert not open_to_all, "\n".join(open_to_all)
    return result
