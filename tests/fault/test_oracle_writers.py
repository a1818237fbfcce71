"""Oracle rows that others change all the while: AS OF SCN reads one state of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random

import pandas as pd
import pytest
import sqlalchemy as sa

from mapper_dask import ParallelProcessor
from mapper_dask.connections.pool import dispose_engines
from tests.builders import job_between
from tests.contract import sides
from tests.contract.sides import Side
from tests.long_form import seeds
from tests.oracle_standin import Running

KINDS = {"id": "key", "v": "money"}
ACCOUNTS, STEP, CHUNK_SIZE, EACH = 600, 10, 100, 10_000
LAST = (ACCOUNTS - 1) * STEP
TOTAL = ACCOUNTS * EACH
ROUNDS = 8

HUNDRED = 100
"""What is moved freely is a multiple of it."""

SEVEN = 7
"""What is moved from the first account to the last when a chunk has been read."""


class Writer(threading.Thread):
    """Moves money, and makes and removes pairs of accounts, so that the total stays."""

    def __init__(self, url: str, table: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._table, self._chance = table, Random(seed)
        self._pairs: list[tuple[int, int]] = []
        self._asked, self._ended = threading.Event(), threading.Event()
        self._acted = threading.Condition()
        self._acts = 0
        self.transactions = 0
        self.failure: Exception | None = None

    def act(self) -> None:
        """Return when it has moved seven from first to last, and done something freely too."""
        with self._acted:
            before = self._acts
            self._asked.set()
            self._acted.wait_for(lambda: self._acts > before or self.failure)
        assert self.failure is None, self.failure

    def run(self) -> None:
        connection = self._engine.raw_connection()
        try:
            with connection.cursor() as cursor:
                while not self._ended.is_set():
                    self._transact(connection, cursor)
        except Exception as error:  # noqa: BLE001 - told to who waits for it
            self.failure = error
            with self._acted:
                self._acted.notify_all()
        finally:
            connection.close()

    def _transact(self, connection: object, cursor: object) -> None:
        asked = self._asked.is_set()
        for change in self._changes(asked=asked):
            cursor.execute(change)  # type: ignore[attr-defined]
        connection.commit()  # type: ignore[attr-defined]
        self.transactions += 1
        if asked:
            self._asked.clear()
            with self._acted:
                self._acts += 1
                self._acted.notify_all()

    def _changes(self, *, asked: bool) -> Iterator[str]:
        there = self._table
        if asked:
            yield f"UPDATE {there} SET v = v - {SEVEN} WHERE id = 0"
            yield f"UPDATE {there} SET v = v + {SEVEN} WHERE id = {LAST}"
        one, other = (STEP * n for n in self._chance.sample(range(ACCOUNTS), 2))
        amount = HUNDRED * self._chance.randint(1, 9)
        yield f"UPDATE {there} SET v = v - {amount} WHERE id = {one}"
        yield f"UPDATE {there} SET v = v + {amount} WHERE id = {other}"
        if len(self._pairs) < 5 or self._chance.random() < 0.5:
            pair = one + 1, other + 2
            if any(set(pair) & set(each) for each in self._pairs):
                return
            self._pairs.append(pair)
            for place, value in zip(pair, (amount, -amount), strict=True):
                yield f"INSERT INTO {there} (id, v) VALUES ({place}, {value})"
        else:
            pair = self._pairs.pop(self._chance.randrange(len(self._pairs)))
            yield f"DELETE FROM {there} WHERE id IN ({pair[0]}, {pair[1]})"

    def end(self) -> None:
        self._ended.set()
        self.join()
        assert self.failure is None, self.failure


@pytest.fixture
def both(standin: Running) -> Iterator[tuple[Side, Side]]:
    source, target = (sides.oracle(standin.url(role)) for role in ("source", "target"))
    yield source, target
    dispose_engines()
    source.clean()
    target.clean()


def loaded_total(both: tuple[Side, Side], seed: int, *, consistent: bool) -> int:
    """Return the total that arrived while a writer was at work."""
    source, target = both
    there, here = source.table(KINDS), target.table(KINDS)
    source.insert(there, KINDS, [(STEP * n, EACH) for n in range(ACCOUNTS)])
    writer = Writer(source.url, there, seed)
    chunks = []

    def watching(frame: pd.DataFrame) -> pd.DataFrame:
        chunks.append(len(frame))
        writer.act()
        return frame

    work = job_between(
        source, there, target, here, transformation_logic=watching, key_column="id",
        chunk_size=CHUNK_SIZE, consistent=consistent,
    )  # fmt: skip
    writer.start()
    try:
        result = ParallelProcessor(enable_parallel=False, progress=False).run(work)
    finally:
        writer.end()
    result.raise_for_status()
    assert result.consistent == consistent
    assert len(chunks) >= ACCOUNTS // CHUNK_SIZE
    assert writer.transactions >= len(chunks)
    assert source.query(f"SELECT SUM(v) FROM {there}") == [(TOTAL,)], "the writer changed the total"
    [(total,)] = target.query(f"SELECT SUM(v) FROM {here}")
    return int(total)


@pytest.mark.parametrize("seed", seeds(ROUNDS))
def test_the_total_is_exact_while_money_moves(both: tuple[Side, Side], seed: int) -> None:
    assert loaded_total(both, seed, consistent=True) == TOTAL


def test_without_the_state_number_the_total_is_wrong(both: tuple[Side, Side]) -> None:
    """Sevens that left after their account was read arrive; what moves freely are hundreds."""
    found = [loaded_total(both, seed, consistent=False) for seed in range(ROUNDS)]
    assert sum(total != TOTAL for total in found) > ROUNDS // 2, found
