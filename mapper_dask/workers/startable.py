"""Whether this program can start worker processes on this machine.

Dask starts them by Python's multiprocessing, whose queues need named semaphores. On Linux those
are files in ``/dev/shm``, which some containers and functions-as-a-service mount read-only or not
at all, or which is full. Dask's own message is sixty lines that end in "Nanny failed to start".
"""

from __future__ import annotations

import sys

from distributed.utils import get_mp_context

IN_LINE = "the chunks run one after the other, in this process"


def why_not_startable() -> str:
    """Return why no worker process can be started, and the remedy; empty where one can."""
    if _is_read_from_a_pipe():
        return (
            f"{IN_LINE}: worker processes import the script that starts them, and this one was "
            "read from standard input. Save it as a file, or pass client= or scheduler_address= "
            "for a Dask cluster"
        )
    try:
        get_mp_context().Lock()
    except (ImportError, OSError) as error:
        return (
            f"{IN_LINE}: no worker process can be started here, since Python cannot make a "
            f"semaphore in /dev/shm ({_reason(error)}). Mount a writable /dev/shm (Docker: "
            "--tmpfs /dev/shm), or pass client= or scheduler_address= for a Dask cluster"
        )
    return ""


def _is_read_from_a_pipe() -> bool:
    """Return whether the program has no file that a worker could import."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    return name == "<stdin>"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
