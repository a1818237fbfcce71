"""The Dask client that a run uses, and whether the calling thread may wait for it.

The client's own event loop must not wait; a task must leave its thread to others while it waits.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

from dask.context import thread_state as task_state
from distributed import Client, get_client, get_worker, rejoin, secede
from distributed.comm.addressing import get_address_host_port
from distributed.comm.registry import get_backend
from distributed.threadpoolexecutor import thread_state as pool_state

from mapper_dask.errors import ConfigurationError

SCHEDULER_PORT, DASHBOARD_PORT = "8786", "8787"
"""Default ports of Dask's scheduler and of its dashboard."""

SCHEDULER_WAIT = 5.0
"""Seconds to wait for a scheduler. One that refuses the connection is not waited for."""

BEGINNING = ("newly-created", "connecting")
"""Statuses of a client that is not connected yet."""

MOMENT = 0.02
"""Seconds between two looks at the status of such a client."""

AWAIT = "await processor.start(job), or call it in a thread: await asyncio.to_thread(...)"


def current_client() -> Client | None:
    """Return the client this code runs under: a worker's own, or the session's default."""
    try:
        found: Client = get_client()
    except ValueError:
        return None
    return found


def require_waitable(client: Client | None, scheduler_address: str | None = None) -> None:
    """Refuse to block an event loop while waiting for work of that same loop.

    There an asynchronous client's calls return coroutines, which would never be awaited. In any
    other thread they block, as those of a synchronous client do.

    Raises
    ------
    ConfigurationError
        Says how to wait instead.
    """
    if client is None and scheduler_address is not None:
        return
    found = client if client is not None else current_client()
    if found is None:
        return
    if getattr(found, "asynchronous", False) is True:
        message = (
            "client is asynchronous, and to wait here would stop the event loop that it needs: "
            f"{AWAIT}; or give a synchronous client, or scheduler_address instead"
        )
        raise ConfigurationError(message, field="client")
    require_begun(found)


def require_begun(client: Client | None) -> None:
    """Refuse a client without a connection: one not awaited yet, or closed.

    Raises
    ------
    ConfigurationError
        Says which.
    """
    status = _status(client)
    if client is not None and status in ("newly-created", "closed", "closing"):
        remedy = "await it first" if status == "newly-created" else "make a new one"
        message = f"client is connected to no scheduler ({status}): {remedy}"
        raise ConfigurationError(message, field="client")


def _status(client: Client | None) -> str:
    """Return a client's status; wait while another thread is still connecting it.

    A worker makes its client when a task first asks for it, and two threads may ask at once.
    """
    waits_until = time.monotonic() + SCHEDULER_WAIT
    while True:
        status = str(getattr(client, "status", "running"))
        may_wait = not getattr(client, "asynchronous", False)  # nor where its own loop would stop
        if status not in BEGINNING or not may_wait or time.monotonic() > waits_until:
            return status
        time.sleep(MOMENT)


@contextlib.contextmanager
def stepping_aside() -> Iterator[None]:
    """Leave the worker's thread pool while waiting, where this thread runs a task.

    If every thread of a cluster waited, none would be left to process chunks. A task that has
    seceded by itself stays seceded.
    """
    if not _holds_a_thread():
        yield
        return
    secede()
    try:
        yield
    finally:
        rejoin()


@contextlib.contextmanager
def waiting(client: Client | None, scheduler_address: str | None) -> Iterator[None]:
    """Let the caller wait for a run, after checking that waiting cannot block it.

    Raises
    ------
    ConfigurationError
        When waiting would block the event loop it needs, or the scheduler does not answer.
    """
    require_waitable(client, scheduler_address)
    require_scheduler(scheduler_address)
    with stepping_aside():
        yield


def _holds_a_thread() -> bool:
    if not getattr(pool_state, "proceed", False) or getattr(task_state, "actor", False):
        return False
    try:
        get_worker()
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """Lend a client of a scheduler.

    Raises
    ------
    ConfigurationError
        When the scheduler does not answer, or the address is malformed.
    """
    try:
        _knock(address)
        client = Client(address, set_as_default=False, timeout=SCHEDULER_WAIT)
    except ValueError as error:  # Dask raises it for a malformed address
        raise _no_address(address, error) from None
    except (OSError, TimeoutError) as error:
        message = (
            f"scheduler_address {address!r} does not answer: {error}. Start the scheduler there, "
            "or name the one that runs; without it, workers are started on this machine"
        )
        raise ConfigurationError(message, field="scheduler_address") from None
    with client:
        yield client


def _no_address(address: str, error: ValueError) -> ConfigurationError:
    """Return the error of a malformed address, with the one that was probably meant."""
    place = address.rpartition("://")[2].partition("/")[0]
    host, _, port = place.partition(":")
    meant = f"tcp://{host or 'host'}:{port if port.isdecimal() else SCHEDULER_PORT}"
    if port == DASHBOARD_PORT:
        meant = f"tcp://{host}:{SCHEDULER_PORT}"
    message = (
        f"scheduler_address {address!r} is no address of a scheduler: {error}; write protocol, "
        f"host and port, as in {meant!r}"
    )
    return ConfigurationError(message, field="scheduler_address")


def require_scheduler(address: str | None) -> None:
    """Refuse the address of a scheduler that does not answer.

    Raises
    ------
    ConfigurationError
        When it does not.
    """
    if address is not None:
        with connected(address):
            pass


def _knock(address: str) -> None:
    """Raise at once where nothing listens, or where the address is malformed.

    Dask would retry until its timeout, and its client could not be closed meanwhile.
    """
    scheme = address.rpartition("://")[0]
    if scheme not in ("", "tcp", "tls"):
        get_backend(scheme)
        return
    host, port = get_address_host_port(address)
    socket.create_connection((host, port), SCHEDULER_WAIT).close()
