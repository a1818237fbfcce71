"""The ledger's evidence of a run's rows: which transactions loaded them, and into what storage.

Layout 2 of the ledger. A login that owns its tables upgrades an older one in passing; until then
its runs can be read, but not written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mapper_dask.dialects.store import Store
from mapper_dask.dialects.target import Target
from mapper_dask.errors import TargetError
from mapper_dask.schema.facts import TableMark


@dataclass(frozen=True, slots=True)
class ChunkLoad:
    """A committed chunk, and the transactions by which its rows can be recognized."""

    chunk_id: int
    rows: int
    """Rows loaded, according to the ledger."""
    loads: tuple[int, ...] | None
    """Numbers of the transactions that loaded them; None if not recorded: by an earlier version of
    the library, with rows rejected between savepoints, or where rows have no such number."""


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """The ledger's record of where a run's rows are."""

    mark: TableMark | None
    """The storage of the table that held them when this was recorded: the target, or the staging
    table. None: an earlier version of the library recorded nothing."""
    chunks: tuple[ChunkLoad, ...]
    published: ChunkLoad | None
    """What the publication wrote into the target; None where chunks are loaded directly, or nothing
    was published yet."""
    succeeded: bool

    @property
    def parts(self) -> tuple[ChunkLoad, ...]:
        """Return the parts in the table that the mark belongs to."""
        return self.chunks if self.published is None else (self.published,)


@dataclass(frozen=True, slots=True)
class TargetTables:
    """Tables of the ledger in a target's own database: they commit together with its rows."""

    target: Target

    @property
    def store(self) -> Store:
        """What the tables are read and written by."""
        return self.target.store


@dataclass(frozen=True, slots=True)
class EvidenceTables(TargetTables):
    """The part of the ledger that identifies rows of runs. The caller commits."""

    def upgrade(self) -> None:
        """Add the columns for evidence to tables of an earlier version of the library.

        Raises
        ------
        TargetError
            When they are missing, and this login does not own the tables; names the statements.
        """
        if not self._lacking():
            return
        self.store.run("ledger_lock")
        lacking = self._lacking()
        if not all(may for _, _, may, _ in lacking):
            raise TargetError(_must_be_upgraded(lacking), field="target_conn")
        if lacking:
            self.store.run("ledger_upgrade")

    def is_current(self) -> bool:
        """Return whether the tables have the columns for evidence."""
        return not self._lacking()

    def _lacking(self) -> list[tuple[Any, ...]]:
        return self.store.run("ledger_layout")

    def _as_json(self, value: object) -> str:
        return json.dumps(value, ensure_ascii=self.target.dialect.capabilities.json_in_ascii)

    def note_table(self, run_id: str, schema: str, name: str) -> None:
        """Record the storage of the table that receives a run's rows."""
        mark = self.target.evidence.mark(schema, name)
        self.note_mark(run_id, mark)

    def accept(self, run_id: str, mark: TableMark) -> None:
        """Record another mark, of a table in which a run's rows were found again.

        In another server's data the numbers of its transactions mean nothing: they are forgotten.
        """
        self.upgrade()
        before = self.of(run_id).mark
        if before is None or before.cluster != mark.cluster:
            self.store.run("ledger_forget_loads", {"run_id": run_id})
        self.note_mark(run_id, mark)

    def note_mark(self, run_id: str, mark: TableMark | None) -> None:
        """Record that a run's rows are in the table of this mark."""
        stored = None if mark is None else self._as_json(asdict(mark))
        self.store.run("ledger_mark", {"run_id": run_id, "mark": stored, "published": None})

    def note_published(
        self, run_id: str, table: tuple[str, str], rows: int, *, by_key: bool
    ) -> None:
        """Record that this transaction has written a run's rows into the target.

        Parameters
        ----------
        table
            Schema and name of the target.
        rows
            Rows it has written.
        by_key
            Whether some of those may be updated rows, other runs' rows among them.
        """
        mark = self.target.evidence.mark(*table)
        number = self.target.evidence.load_number()
        loads = None if number is None else [number]
        published = {"rows": rows, "loads": loads, "by_key": by_key}
        values = {
            "run_id": run_id,
            "mark": None if mark is None else self._as_json(asdict(mark)),
            "published": self._as_json(published),
        }
        self.store.run("ledger_mark", values)

    def of(self, run_id: str) -> StoredEvidence:
        """Return the evidence of a run."""
        if not self.is_current():
            [(_, loaded)] = self.store.run("ledger_totals", {"run_id": run_id})
            [(state,)] = self.store.run("ledger_state", {"run_id": run_id})
            whole = (ChunkLoad(-1, int(loaded), None),)
            return StoredEvidence(None, whole, None, succeeded=state == "SUCCEEDED")
        [(mark, published, state)] = self.store.run("ledger_marked", {"run_id": run_id})
        rows = self.store.run("ledger_loads", {"run_id": run_id})
        chunks = tuple(ChunkLoad(int(c), int(n), _numbers(loads)) for c, n, loads in rows)
        return StoredEvidence(_mark(mark), chunks, _published(published), state == "SUCCEEDED")

    def others(self, run_id: str, cluster: str | None) -> list[int]:
        """Return the numbers of the transactions that inserted other runs' rows.

        Not those that merged: a row that they wrote may be this run's, changed.

        Parameters
        ----------
        cluster
            The server's data that these numbers belong to.
        """
        if cluster is None:
            return []
        values = {"run_id": run_id, "cluster": cluster}
        rows = self.store.run("ledger_loads_of_others", values)
        return [number for (text,) in rows for number in _numbers(text) or ()]


def _must_be_upgraded(lacking: Sequence[tuple[Any, ...]]) -> str:
    _, _, _, owner = lacking[0]
    columns = ", ".join(f"{table}.{column}" for table, column, _, _ in lacking)
    return (
        f"target_conn leads to a ledger of an earlier version of this library: it lacks {columns}. "
        f"Its owner, {owner}, must add them: let that login run one job, or run the file "
        "ledger_upgrade.sql (see docs/privileges.md)"
    )


def _mark(text: str | None) -> TableMark | None:
    return None if text is None else TableMark(**json.loads(text))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    numbers = None if text is None else json.loads(text)
    return None if numbers is None else tuple(int(number) for number in numbers)


def _published(text: str | None) -> ChunkLoad | None:
    if text is None:
        return None
    stored = json.loads(text)
    loads = stored["loads"]
    return ChunkLoad(-1, int(stored["rows"]), None if loads is None else tuple(map(int, loads)))
