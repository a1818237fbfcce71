"""Kills at any message of everything that writes: no row lost, none doubled, no untrue success.

Each work is done anew on a fresh target, under one to four kills, and then to its end.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from mapper_dask.embedded import EmbeddedPostgres, embedded_postgres
from tests.database import TEST_SETTINGS, Database, Databases
from tests.fault.operations.actor import Deed, do
from tests.fault.operations.doom import AFTER, KINDS, Order
from tests.fault.operations.works import SOURCE, WORKS, Work
from tests.fault.operations.wrong import MUTANTS

MOST_KILLS = 4
"""Kills that one doing of a work has to bear."""

AT_COMMITS = 0.5
"""Share of the kills that are made at a commit; the others are made at any message."""

MOST_ATTEMPTS = 12
"""Times a work is done again before it counts as one that never ends."""


@dataclass
class Toll:
    """What was killed, and what came of it."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    works: int = 0
    """Works that came to their end."""
    lost: int = 0
    more: int = 0
    """Rows that are doubled, or that should not be there; and tables and entries left behind."""
    halves: int = 0
    """Times a reader would have seen half of it."""
    untrue: int = 0
    """Times it said that it was done, and it was not."""
    stuck: list[str] = field(default_factory=list)
    """Why a work could not be brought to its end."""
    strays: list[str] = field(default_factory=list)
    """Errors that are not the library's."""
    missed: int = 0
    """Orders whose message never came, since the way there was shorter this time."""
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether all works came to their end, each true."""
        return self.works > 0 and not (
            self.lost or self.more or self.halves or self.untrue or self.stuck
        )

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.kills.most_common())
        return (
            f"{self.name:22} {self.lost:>5,} rows lost, {self.more:>5,} doubled, {self.halves} "
            f"halves, {self.untrue} untrue, {len(self.stuck)} stuck, by {self.kills.total()} "
            f"kills: {kinds}; {self.works} works, {self.seconds:.0f} s"
        )


@dataclass
class Yard:
    """A server to crash, with the source's rows."""

    server: EmbeddedPostgres
    source: Database
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Databases]:
        """Lend the source with an empty target."""
        name = f"work_{next(self.numbers)}"
        target = Database(self.server.create_database(name))
        yield Databases(self.source, target)
        admin = Database(self.server.url())
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def yard() -> Iterator[Yard]:
    """Lend a server of the test's own."""
    with embedded_postgres(settings=TEST_SETTINGS) as server:
        source = Database(server.create_database("source"))
        source.execute(SOURCE)
        yield Yard(server, source)


def campaign(ground: Yard, name: str, kills: int, seed: int) -> Toll:
    """Return what came of killing one work so many times."""
    chance, toll = Random(f"{seed} {name}"), Toll(name)
    started, calm = time.perf_counter(), _calm(ground, name)
    while toll.kills.total() < kills and len(toll.stuck) < MOST_ATTEMPTS:
        most = min(kills - toll.kills.total(), MOST_KILLS)
        orders = _orders(calm, most, chance)
        with ground.fresh() as at:
            _fight(ground, name, at, orders, toll)
    toll.seconds = time.perf_counter() - started
    return toll


def _calm(ground: Yard, name: str, mutant: str = "") -> Deed:
    """Return what an undisturbed doing sends, which must be exact itself."""
    with ground.fresh() as at:
        WORKS[name].begin(at)
        deed = do(name, at, None, ground.server.restart, mutant)
        assert deed.done, f"{name} fails undisturbed: {deed.why}"
        assert WORKS[name].compare(at) == (0, 0), f"{name} is wrong undisturbed"
    return deed


def _orders(calm: Deed, most: int, chance: Random) -> list[Order]:
    """Draw the kills that one doing of a work has to bear."""
    kinds = chance.choices(list(KINDS), weights=list(KINDS.values()), k=chance.randint(1, most))
    return [
        Order(
            chance.choice(calm.commits)
            if chance.random() < AT_COMMITS
            else chance.randrange(calm.points),
            kind,
        )
        for kind in kinds
    ]


def _fight(
    ground: Yard, name: str, at: Databases, orders: Sequence[Order], toll: Toll, mutant: str = ""
) -> None:
    work, left = WORKS[name], list(orders)
    work.begin(at)
    for _ in range(MOST_ATTEMPTS):
        order = left.pop(0) if left else None
        deed = do(name, at, order, ground.server.restart, mutant)
        _book(deed, order, toll)
        lost, more = _wrong(work, at, deed, toll)
        if deed.done:  # maybe before all its kills were made: others are drawn for the next
            toll.works += 1
            toll.lost, toll.more = toll.lost + lost, toll.more + more
            return
    toll.stuck.append(f"{name}: {deed.why}")


def _book(deed: Deed, order: Order | None, toll: Toll) -> None:
    if order is not None:
        came = deed.killed or deed.points > order.point
        toll.kills[order.kind] += came
        toll.missed += not came
    if deed.stray:
        toll.strays.append(deed.why)


def _wrong(work: Work, at: Databases, deed: Deed, toll: Toll) -> tuple[int, int]:
    """Return what is wrong now; note a success that is none, and what readers see in between."""
    if deed.done:
        wrong = work.compare(at)
        toll.untrue += wrong != (0, 0)
        return wrong
    if work.between is not None:
        toll.halves += work.between(at) != (0, 0)
    return 0, 0


def everything(ground: Yard, kills: int, seed: int) -> Iterator[Toll]:
    """Yield what came of so many kills, spread over all works."""
    for place, name in enumerate(WORKS):
        share = kills // len(WORKS) + (place < kills % len(WORKS))
        if share:
            yield campaign(ground, name, share, seed)


def wrong_one(ground: Yard, mutant: str) -> Toll:
    """Return what came of killing a library that is wrong, once behind each of its commits."""
    work, _ = MUTANTS[mutant]
    toll, started = Toll(mutant), time.perf_counter()
    for point in _calm(ground, work, mutant).commits:
        with ground.fresh() as at:
            _fight(ground, work, at, [Order(point, AFTER)], toll, mutant)
    toll.seconds = time.perf_counter() - started
    return toll
