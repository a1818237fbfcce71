"""The embedded server: off the network, durable across a crash, and gone when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mapper_dask import embedded
from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from mapper_dask.errors import ConfigurationError
from tests.database import Database

HOLD_A_SERVER = """
import sys
from mapper_dask.embedded import embedded_postgres
with embedded_postgres() as server:
    print(server.directory, flush=True)
    sys.stdin.read()
"""


def server_processes(directory: Path) -> list[psutil.Process]:
    """Return the postmaster and the guard of a server."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(directory) in argument for argument in process.info["cmdline"] or ())
    ]


def with_children(processes: list[psutil.Process]) -> list[psutil.Process]:
    return list({*processes, *(c for p in processes for c in p.children(recursive=True))})


def test_url_names_the_driver_and_reaches_the_database(private_server: EmbeddedPostgres):
    database = Database(private_server.create_database("flights"))

    assert database.url.startswith("postgresql+psycopg2://")
    assert database.url == private_server.url("flights")
    assert database.fetch("SELECT current_database(), %s::int", 7) == [("flights", 7)]


def test_nothing_listens_on_tcp(private_server: EmbeddedPostgres):
    processes = with_children(server_processes(private_server.directory))

    assert len(processes) > 2
    assert [p.net_connections(kind="inet") for p in processes] == [[]] * len(processes)
    assert Database(private_server.url()).fetch("SHOW listen_addresses") == [("",)]


def test_only_its_user_can_reach_the_socket(private_server: EmbeddedPostgres):
    assert private_server.directory.stat().st_mode & 0o077 == 0


def test_postgresql_variables_of_the_caller_change_nothing(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere.invalid", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)

    with embedded_postgres() as server:
        assert Database(server.url()).fetch("SELECT 1") == [(1,)]


def test_names_are_quoted(private_server: EmbeddedPostgres):
    name = 'two words; "DROP"'

    assert Database(private_server.create_database(name)).fetch("SELECT current_database()") == [
        (name,)
    ]


def test_template_is_copied(private_server: EmbeddedPostgres):
    Database(private_server.create_database("first")).execute("CREATE TABLE t AS SELECT 42 AS a")

    assert Database(private_server.create_database("second", template="first")).fetch(
        "SELECT a FROM t"
    ) == [(42,)]


def test_settings_are_used_but_never_open_the_network():
    settings = {"max_connections": "33", "listen_addresses": "*"}
    with embedded_postgres(settings=settings) as server:
        database = Database(server.url())
        assert database.fetch("SHOW max_connections") == [("33",)]
        assert database.fetch("SHOW listen_addresses") == [("",)]
        assert database.fetch("SHOW fsync") == [("on",)]


def test_crash_keeps_what_was_committed(private_server: EmbeddedPostgres):
    database = Database(private_server.url())
    database.execute("CREATE TABLE t AS SELECT 1 AS a")
    (started,) = database.fetch("SELECT pg_postmaster_start_time()")

    private_server.restart()

    assert database.fetch("SELECT a FROM t") == [(1,)]
    assert database.fetch("SELECT pg_postmaster_start_time()") > [started]
    assert "automatic recovery in progress" in private_server.log


def test_stopped_server_comes_back(private_server: EmbeddedPostgres):
    private_server.stop()
    assert not (private_server.data_directory / "postmaster.pid").exists()

    private_server.start()
    assert Database(private_server.url()).fetch("SELECT 1") == [(1,)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_error_in_the_block_leaves_nothing(error: type[BaseException]):
    seen: list[tuple[Path, list[psutil.Process]]] = []

    def fail_inside() -> None:
        with embedded_postgres() as server:
            seen.append((server.directory, with_children(server_processes(server.directory))))
            raise error

    with pytest.raises(error):
        fail_inside()

    ((directory, processes),) = seen
    assert processes
    assert not directory.exists()
    assert not [process for process in processes if process.is_running()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_process_leaves_nothing(number: signal.Signals):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_A_SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    with holder:
        directory = Path(holder.stdout.readline().strip())
        processes = with_children(server_processes(directory))
        holder.send_signal(number)

    assert holder.returncode in {-number, 1}
    assert processes
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not directory.exists()


def test_path_is_used_and_removed(tmp_path: Path):
    # As root the server runs as another user, who cannot enter pytest's private directories.
    base = Path("/tmp") if os.geteuid() == 0 else tmp_path
    path = base / f"mapper-dask-{os.getpid()}"

    with embedded_postgres(path) as server:
        assert server.data_directory.parent == path
    assert not path.exists()


def test_path_in_use_is_refused(tmp_path: Path):
    (tmp_path / "precious").touch()

    with pytest.raises(ConfigurationError, match="must be an empty directory"):
        embedded_postgres(tmp_path).__enter__()
    assert (tmp_path / "precious").exists()


def test_path_too_long_for_a_socket_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="too long for a Unix socket"):
        embedded_postgres(tmp_path / ("long" * 30)).__enter__()


def test_unknown_setting_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="no_such_setting"):
        embedded_postgres(settings={"no_such_setting": "1"}).__enter__()


def test_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "WHEEL", "no_such_wheel")

    with pytest.raises(ConfigurationError, match=r"pip install 'mapper-dask\[demo\]'"):
        embedded_postgres().__enter__()


def test_programs_are_copied_from_a_private_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    if os.geteuid() != 0:
        pytest.skip("only root's server runs as another user")
    wheel = embedded._wheel_directory()
    private = tmp_path / wheel.name
    private.symlink_to(wheel)
    (tmp_path / f"{wheel.name}.libs").symlink_to(wheel.with_name(f"{wheel.name}.libs"))
    monkeypatch.setattr(embedded, "_wheel_directory", lambda: private)

    with embedded_postgres() as server:
        copied = [server.directory / "programs", *(server.directory / "programs").rglob("*")]
        # Else the guard could not remove them.
        assert {item.stat().st_uid for item in copied} == {server.directory.stat().st_uid}
        assert Database(server.url()).fetch("SELECT 1") == [(1,)]
