"""Does a work in a process of its own, which may be told to die at one of its messages."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from mapper_dask import MapperError, retries
from mapper_dask.chunk import chunk_processor
from mapper_dask.chunk.load import target_session
from tests.database import Database, Databases
from tests.fault.operations.doom import Doom, Order, install
from tests.fault.operations.works import WORKS
from tests.fault.operations.wrong import MUTANTS

LONGEST_SILENCE = 120.0
"""Seconds after which a work that tells nothing hangs: a failure, not a wait."""


@dataclass(frozen=True)
class Deed:
    """What came of doing a work once."""

    done: bool = False
    """Whether it said that it is done."""
    why: str = ""
    """Why it is not."""
    stray: bool = False
    """Whether what was raised is not an error of the library's."""
    points: int = 0
    """Messages that were sent; 0 when it was killed."""
    commits: tuple[int, ...] = ()
    """Which of these were commits."""
    killed: bool = False


def do(
    work: str, at: Databases, order: Order | None, crash: Callable[[], None], mutant: str = ""
) -> Deed:
    """Do a work in a process of its own; return what it told."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    news, teller = context.Pipe()
    told = (teller, work, at.source.url, at.target.url, order, mutant)
    process = context.Process(target=act, args=told)
    process.start()
    teller.close()
    try:
        return _heard(news, process, crash)
    finally:
        process.kill()
        process.join()
        process.close()
        news.close()


def _heard(news: Connection, process: multiprocessing.Process, crash: Callable[[], None]) -> Deed:
    while True:
        assert news.poll(LONGEST_SILENCE), "a work hangs"
        try:
            told = news.recv()
        except EOFError:
            process.join()
            assert process.exitcode == -signal.SIGKILL, f"died: {process.exitcode}"
            return Deed(killed=True)
        if isinstance(told, Deed):
            return told
        crash()
        news.send("crashed")


def act(
    news: Connection, work: str, source: str, target: str, order: Order | None, mutant: str
) -> None:
    """Do a work, and tell what came of it."""
    logging.disable()
    chunk_processor.target_session = target_session  # whatever the process it was forked from was
    retries.FIRST_WAIT = 0.02
    doom = Doom(news, order)
    install(doom)
    if mutant:
        MUTANTS[mutant][1]()
    try:
        done, why, stray = WORKS[work].act(Databases(Database(source), Database(target))), "", False
    except Exception as error:  # noqa: BLE001 - counted, and the work is done again
        done, why = False, f"{type(error).__name__}: {error}"
        stray = not isinstance(error, MapperError)
    news.send(Deed(done, why, stray, doom.sent, tuple(doom.commits)))
