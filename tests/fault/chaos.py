"""Chaos: whatever is killed, in whatever order, every row arrives once.

``python -m tests.fault.chaos`` kills a hundred times while chunks are loaded, and as often while
something else is written (see ``operations``); and it shows that the same catches loaders and
libraries which are wrong. ``test_chaos`` and ``test_chaos_operations`` do a part of it. The seed
fixes what is killed, and after how many chunks or messages; what the victims are doing then is up
to the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.database import Databases
from tests.fault.forked import Coordinator, End
from tests.fault.kills import AT_COMMIT, KINDS, Scene, hundredths
from tests.fault.moving import ROWS, compare
from tests.fault.operations import campaign as operations
from tests.fault.playground import Playground, playground
from tests.fault.sabotage import MUTANTS
from tests.fault.watch import Watch

LONGEST_PAUSE = 4
"""Chunks a coordinator tells of between two kills, at most."""

CHUNKS_A_KILL = 5
"""So many chunks are planned that the kills fit in about one run."""

MUTANT_KILLS = 4
MUTANT_KILLS_AT_COMMIT = 2
"""A mutant must not be let off by luck: these hit where it is weak."""


@dataclass
class Outcome:
    """What was done, and what came of it."""

    loader: str
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    """Coordinators started."""
    runs: int = 0
    """Runs that came to their end."""
    lost: int = 0
    doubled: int = 0
    misbooked: int = 0
    """Rows by which the ledger is wrong."""
    misses: int = 0
    """Kills that hit nothing, and were tried again."""
    repeated: int = 0
    """Times a chunk was begun again: kills that hit work."""
    strays: list[str] = field(default_factory=list)
    """Errors that a run raised and that are not the library's: rows are safe, but it is rude."""
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether every row of every run arrived once, and the ledger knows it."""
        return self.runs > 0 and not (self.lost or self.doubled or self.misbooked)

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.kills.most_common())
        return (
            f"{self.loader:13} {self.lost:>6,} rows lost, {self.doubled:>6,} doubled, by "
            f"{self.kills.total()} kills: {kinds}; {self.starts} starts, {self.repeated} chunks "
            f"begun again, {self.seconds:.0f} s"
        )


@dataclass
class Campaign:
    """Kills what it is told to, run after run, until all of it is done."""

    ground: Playground
    outcome: Outcome
    kinds: deque[str]
    """What is still to be killed."""
    chance: Random

    def fight(self) -> Outcome:
        """Return what came of it all."""
        started = time.perf_counter()
        while self.kinds:
            chunk_size = ROWS // (CHUNKS_A_KILL * len(self.kinds) + 10)
            self._one_run(f"{self.outcome.loader}-{self.outcome.runs}", chunk_size)
        self.outcome.seconds = time.perf_counter() - started
        return self.outcome

    def _one_run(self, run_id: str, chunk_size: int) -> None:
        databases = self.ground.fresh()
        watch = Watch(databases.target)
        most = self.outcome.starts + 3 * len(self.kinds) + 10
        try:
            end = End(over=False)
            while not end.over:
                assert self.outcome.starts < most, f"{run_id} does not come to its end: {end.why}"
                self.outcome.starts += 1
                coordinator = self.ground.coordinator(run_id, databases, chunk_size)
                try:
                    end = self._pursue(coordinator, databases, watch)
                finally:
                    coordinator.close()
                if end.stray:
                    self.outcome.strays.append(end.why)
        finally:
            watch.close()
        verdict = compare(databases)
        [(repeated,)] = databases.target.fetch(
            "SELECT (sum(attempts) - count(*))::int FROM mapper_dask_chunk"
        )
        self.outcome.repeated += repeated
        self.outcome.runs += 1
        self.outcome.lost += verdict.lost
        self.outcome.doubled += verdict.doubled
        self.outcome.misbooked += abs(verdict.booked - ROWS)

    def _pursue(self, coordinator: Coordinator, databases: Databases, watch: Watch) -> End:
        """Kill around one coordinator until it ends, and return how."""
        scene = Scene(self.ground, databases, coordinator, watch, self.outcome.loader, self.chance)
        after = self.chance.randint(0, LONGEST_PAUSE)
        while coordinator.alive:
            if self.kinds and coordinator.chunks >= after:
                self._strike(scene)
                after = coordinator.chunks + self.chance.randint(0, LONGEST_PAUSE)
            else:
                coordinator.listen()
        return coordinator.end or End(over=False, why="killed")

    def _strike(self, scene: Scene) -> None:
        kind = self.kinds[0]
        if KINDS[kind](scene):
            self.outcome.kills[self.kinds.popleft()] += 1
        else:
            self.outcome.misses += 1
            assert self.outcome.misses < 20 + self.outcome.kills.total(), f"cannot hit: {kind}"


def campaign(ground: Playground, loader: str, kinds: Sequence[str], seed: int) -> Outcome:
    """Run a loader under kills and return what came of it."""
    return Campaign(ground, Outcome(loader), deque(kinds), Random(seed)).fight()


def honest(ground: Playground, kills: int, seed: int) -> Outcome:
    """Run the library's own loader under random kills."""
    return campaign(ground, "honest", hundredths(Random(seed), kills), seed)


def mutant(ground: Playground, loader: str, seed: int) -> Outcome:
    """Run a loader that is wrong under a few kills, some of them where it is weak."""
    chance = Random(seed)
    kinds = hundredths(chance, MUTANT_KILLS) + [AT_COMMIT] * MUTANT_KILLS_AT_COMMIT
    chance.shuffle(kinds)
    return campaign(ground, loader, kinds, seed)


def main() -> int:
    """Kill, compare, and print what came of it; return 1 when the library or the test is broken."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, choices=range(101), metavar="0..100",
                        help="while chunks are loaded")  # fmt: skip
    parser.add_argument("--operations", type=int, default=100, metavar="N",
                        help="kills while something else is written")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.perf_counter()
    loaded = loading(asked.kills, asked.seed) if asked.kills else True
    written = writing(asked.operations, asked.seed) if asked.operations else True
    tell(f"{time.perf_counter() - started:.0f} s, seed {asked.seed}")
    return 0 if loaded and written else 1


def loading(kills: int, seed: int) -> bool:
    """Kill while chunks are loaded; return whether the library is whole and the test has teeth."""
    with playground() as ground:
        outcome = honest(ground, kills, seed)
        tell(outcome)
        for stray in outcome.strays:
            tell(f"  not an error of the library: {stray.splitlines()[0]}")
        mutated = [mutant(ground, loader, seed) for loader in MUTANTS]
    escaped = [each.loader for each in mutated if each.exact]
    for each in mutated:
        tell(each)
    kept = "every row arrived once" if outcome.exact else "ROWS WERE LOST, DOUBLED OR MISCOUNTED"
    caught = f"NOT CAUGHT: {', '.join(escaped)}" if escaped else "the three wrong loaders caught"
    tell(f"{kept}; {caught}")
    return outcome.exact and not escaped


def writing(kills: int, seed: int) -> bool:
    """Kill while something else is written; return whether the library is whole, as above."""
    tolls, escaped = [], []
    with operations.yard() as ground:
        for toll in operations.everything(ground, kills, seed):
            tell(toll)
            for what in (*toll.stuck, *toll.strays):
                tell(f"  {what.splitlines()[0]}")
            tolls.append(toll)
        for name in operations.MUTANTS:
            toll = operations.wrong_one(ground, name)
            tell(toll)
            escaped += [name] if toll.exact else []
    exact, made = all(toll.exact for toll in tolls), sum(toll.kills.total() for toll in tolls)
    kept = "nothing lost, doubled, halved or untrue" if exact else "NOT ALL OF IT IS EXACT"
    caught = f"NOT CAUGHT: {', '.join(escaped)}" if escaped else "the wrong libraries caught"
    tell(f"{kept} by {made} kills; {caught}")
    return exact and not escaped


def tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
