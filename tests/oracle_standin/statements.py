"""Statements: what a client sends of one, and what it is answered with rows and counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from psycopg import pq

from tests.oracle_standin import synonyms, too_long
from tests.oracle_standin.columns import Column
from tests.oracle_standin.errors import OracleError, ora_error
from tests.oracle_standin.explain import plan_table
from tests.oracle_standin.packets import Interrupted, Writer
from tests.oracle_standin.translation import translate
from tests.oracle_standin.values import LOBS, Type, from_utf16

EXECUTE, REEXECUTE, REEXECUTE_FETCH = 94, 4, 78
"""Calls that run a statement."""

OPTION_EXECUTE, OPTION_FETCH, OPTION_COMMIT = 0x20, 0x40, 0x100
OPTION_NOT_PLSQL, OPTION_BATCH_ERRORS = 0x8000, 0x80000
FLAG_ROW_COUNTS = 0x4000
EXECUTE_FIELDS = 13
"""Numbers at the end of an execute message."""

DESCRIBE, ROW_HEADER, ROW, OUT_BINDS, PARAMETERS = 16, 6, 7, 11, 8
LONGEST_PLAIN = 32767
"""Bytes; longer values are sent behind the others of their row."""

LOCATOR_BYTES, LOB_CHUNK = 40, 8132


@dataclass(slots=True)
class Bind:
    """A bound variable as the client describes it."""

    type: int
    size: int
    form: int


@dataclass(slots=True)
class Cursor:
    """A statement that a client has open."""

    number: int
    sql: str = ""
    translated: dict[str, Any] | None = None
    binds: list[Bind] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    result: Any = None
    place: int = 0
    """Rows that were sent."""
    defines: list[Bind] | None = None
    """What the client wants the columns as."""


@dataclass(slots=True)
class Call:
    """One message that runs a statement."""

    cursor: Cursor
    options: int
    prefetch: int = 0
    """Rows wanted with the answer."""
    executions: int = 1
    flags: int = 0
    redefined: bool = False
    rows: list[list[bytes | None]] = field(default_factory=list)


SETTING = re.compile(r"\b(NLS_\w+|TIME_ZONE)\s*=\s*('(?:[^']|'')*'|[\w.]+)", re.IGNORECASE)
"""One assignment of an ALTER SESSION."""


class Statements:
    """A session's statements."""

    # -- what arrives ---------------------------------------------------------------------------

    def _call(self, function: int) -> Call:
        return self._new_call() if function == EXECUTE else self._repeated_call(function)

    def _repeated_call(self, function: int) -> Call:
        reader = self.reader
        number, count, _, commit = (reader.number() for _ in range(4))
        cursor = self.cursors[number]
        fetch = OPTION_FETCH if function == REEXECUTE_FETCH else 0
        options = OPTION_EXECUTE | fetch | (OPTION_COMMIT if commit & 1 else 0)
        executions = count if function == REEXECUTE else 1
        rows = self._rows_of(cursor.binds, executions, plsql=False) if cursor.binds else []
        return Call(cursor, options, count, executions, rows=rows)

    def _new_call(self) -> Call:
        reader = self.reader
        options, number = reader.number(), reader.number()
        reader.skip("b")
        length = reader.number()
        reader.skip("bnbbn")
        prefetch = reader.number()
        reader.skip("nb")
        bound = reader.number()
        reader.skip("bbbbbb")
        defined = reader.number()
        reader.skip("nbbbnbnnbnbbnbnbbn")
        sql = (reader.value() or b"").decode() if length else None
        numbers = [reader.number() for _ in range(EXECUTE_FIELDS)]
        cursor = self._cursor(number, sql)
        call = Call(cursor, options, prefetch, numbers[1], numbers[9], bool(defined))
        if defined:
            cursor.defines = [self._bind() for _ in range(defined)]
        elif bound:
            cursor.binds = [self._bind() for _ in range(bound)]
            executions = 1 if numbers[7] else max(1, call.executions)
            plsql = not options & OPTION_NOT_PLSQL
            call.rows = self._rows_of(cursor.binds, executions, plsql=plsql, sql=cursor.sql)
        elif options & OPTION_EXECUTE:  # a statement that is only parsed keeps its binds
            cursor.binds = []
        return call

    def _cursor(self, number: int, sql: str | None) -> Cursor:
        if sql is None:
            return self.cursors[number]
        if number not in self.cursors:
            number, self.next_cursor = self.next_cursor, self.next_cursor + 1
        self.cursors[number] = Cursor(number, sql, binds=self._kept_binds(number))
        return self.cursors[number]

    def _kept_binds(self, number: int) -> list[Bind]:
        return self.cursors[number].binds if number in self.cursors else []

    def _bind(self) -> Bind:
        reader = self.reader
        kind = reader.uint8()
        reader.skip("bbb")
        size = reader.number()
        reader.skip("nn")
        if reader.number():
            reader.value()
        reader.skip("nn")
        form = reader.uint8()
        reader.skip("nn")
        return Bind(kind, size, form)

    def _rows_of(
        self, binds: Sequence[Bind], count: int, *, plsql: bool, sql: str = ""
    ) -> list[list[bytes | None]]:
        """Return the rows of bound values; long ones are sent last, returned ones not at all."""
        sent = range(len(binds) - returned_binds(sql))
        order = list(sent)
        if not plsql:
            order.sort(key=lambda place: binds[place].size > LONGEST_PLAIN)
        rows = []
        for _ in range(count if order else 0):
            assert self.reader.uint8() == ROW
            row: list[bytes | None] = [None] * len(binds)
            for place in order:
                lob = binds[place].type in LOBS
                row[place] = (self.reader.sized() or None) if lob else self.reader.value()
            rows.append(row)
        return rows

    # -- what becomes of it ---------------------------------------------------------------------

    def execute(self, function: int) -> None:
        """Run a statement and answer."""
        call = self._call(function)
        cursor = call.cursor
        try:
            _require_no_returning(cursor.sql)
            if cursor.translated is None:
                cursor.translated = self.translated(cursor.sql)
            self.require_rights(cursor.sql)
            kind = cursor.translated["kind"]
            if call.redefined and kind == "query":
                self._answer_define(call)
                return
            self.meet_fault(cursor.sql)
            self._run(call, kind)
            self._journal(cursor.sql, "ok")
        except OracleError as error:
            self._journal(cursor.sql, f"ORA-{error.code:05d}")
            self.send(self.outcome(Writer(), error, cursor.number))

    def translated(self, sql: str) -> dict[str, Any]:
        """Return what is run for a statement of this session's."""
        known, user = self.server.synonyms, self.user
        return translate(sql, by_language=self.by_language, known=known, user=user)

    def _run(self, call: Call, kind: str) -> None:
        if kind == "query":
            self._query(call)
        elif kind == "dml" and not call.options & OPTION_EXECUTE:
            self._parse_only(call.cursor)
        elif kind == "dml":
            self._change(call)
        else:
            self._others[kind](self, call)
            self.send(self.outcome(self._out_binds(call, kind), None, call.cursor.number))

    def _journal(self, statement: str, outcome: str) -> None:
        if self.server.journal is not None:
            self.server.journal.note(statement, outcome)

    def _parameters(self, cursor: Cursor, row: Sequence[bytes | None]) -> tuple[list, list]:
        texts, types = [], []
        for bind, data in zip(cursor.binds, row, strict=True):
            value = data
            if bind.type in LOBS and data is not None:
                value = bytes(self.lobs.get(data, b""))
                value = from_utf16(value) if bind.type == Type.CLOB else value
                form = 0
            else:
                form = bind.form
            oid, text = self.server.columns.parameter(bind.type, form, value)
            texts.append(text)
            types.append(oid)
        return texts, types

    # -- queries --------------------------------------------------------------------------------

    def _query(self, call: Call) -> None:
        cursor = call.cursor
        texts, types = self._parameters(cursor, call.rows[0]) if call.rows else ([], [])
        cursor.result = self._queried(cursor, texts, types)
        cursor.place = 0
        result = cursor.result
        cursor.columns = [
            self.server.columns.column(
                (result.fname(place) or b"?").decode(), result.ftype(place), result.fmod(place)
            )
            for place in range(result.nfields)
        ]
        writer = Writer().uint8(DESCRIBE).uint8(0)
        writer.number(sum(column.buffer for column in cursor.columns))
        writer.number(len(cursor.columns)).uint8(1)
        for column in cursor.columns:
            column.describe(writer)
        writer.numbers(0, 0, 0, 0, 0, 0)
        large = any(column.type in LOBS for column in cursor.columns)
        if call.options & OPTION_FETCH and (not large or cursor.defines):
            self.write_rows(writer, cursor, call.prefetch)
        else:
            writer.uint8(PARAMETERS).numbers(0, 0, 0, 0)
            self.outcome(writer, None, cursor.number)
        self.send(writer)

    def _queried(self, cursor: Cursor, texts: list, types: list) -> Any:
        translated = cursor.translated or {}
        sql = translated["sql"].encode()
        if translated["scn"]:
            with self.server.snapshots.reading(translated["scn"], texts, self.search_path) as past:
                return self.run_with(sql, texts, types, connection=past)
        wait = re.search(r"\bFOR\s+UPDATE\s+WAIT\s+(\d+)", cursor.sql, re.IGNORECASE)
        if re.search(r"\bFOR\s+UPDATE\b", cursor.sql, re.IGNORECASE):
            self.begin()
        if wait:
            self.run(f"SET LOCAL lock_timeout = '{wait.group(1)}s'".encode())
        result = self._undone_alone(sql, texts, types, waits=wait is not None)
        if b"nextscn" in sql or b"CURRENT_SCN" in sql:
            self.server.snapshots.register(int(result.get_value(0, 0)))
        if wait:
            self.run(b"SET LOCAL lock_timeout = 0")
        return result

    def _undone_alone(self, sql: bytes, texts: list, types: list, *, waits: bool) -> Any:
        """Run a query whose failure undoes nothing else, as in Oracle."""
        inside = self.in_transaction()
        if inside:
            self.run(b"SAVEPOINT ora_query")
        try:
            return self.run_with(sql, texts, types)
        except (OracleError, Interrupted) as error:
            if inside:
                self.run(b"ROLLBACK TO ora_query")
            if waits and isinstance(error, OracleError) and error.code == 54:
                message = "resource busy; acquire with WAIT timeout expired"
                raise OracleError(30006, message) from None
            raise

    def _answer_define(self, call: Call) -> None:
        """Answer a client that has only said how it wants the columns."""
        writer = Writer()
        if call.options & OPTION_FETCH:
            self.write_rows(writer, call.cursor, call.prefetch)
        else:
            self.outcome(writer, None, call.cursor.number)
        self.send(writer)

    def fetch(self) -> None:
        """Answer with the next rows of a query."""
        cursor = self.cursors[self.reader.number()]
        self.meet_fault(f"FETCH {cursor.sql}")
        writer = Writer()
        self.write_rows(writer, cursor, self.reader.number())
        self.send(writer)

    def write_rows(self, writer: Writer, cursor: Cursor, wanted: int) -> None:
        """Write the next rows of a query, and whether there are more."""
        result, first = cursor.result, cursor.place
        last = min(first + wanted, result.ntuples)
        writer.uint8(ROW_HEADER).uint8(0).numbers(1, first, wanted, 0, 0, 0)
        kinds = [define.type for define in cursor.defines] if cursor.defines else None
        writers = [
            (place, self._value_writer(column, kinds[place] if kinds else column.type))
            for place, column in enumerate(cursor.columns)
        ]
        for row in range(first, last):
            writer.append(ROW)
            for place, write in writers:
                write(writer, result.get_value(row, place))
        cursor.place = last
        writer.uint8(PARAMETERS).numbers(0, 0, 0, 0)
        end = OracleError(1403, "no data found") if last >= result.ntuples else None
        self.outcome(writer, end, cursor.number, rows=last)

    def _value_writer(self, column: Column, wanted: int) -> Any:
        """Return what writes one column's values."""
        if column.type in LOBS:
            if wanted in LOBS:
                return lambda writer, text: self._write_locator(writer, column, text)
            return lambda writer, text: self._write_long(writer, column, text)
        if column.type is Type.ROWID:
            return lambda writer, text: writer.rowid(text) if text else writer.uint8(0)
        encode = column.encode
        if encode is None:
            return lambda writer, text: writer.value(text)
        return lambda writer, text: writer.value(encode(text) if text else None)

    def _write_locator(self, writer: Writer, column: Column, text: bytes | None) -> None:
        if text is None:
            writer.number(0)
            return
        data = column.encode(text) if column.encode else text
        length = len(data.decode()) if column.type is Type.CLOB else len(data)
        locator = self.new_lob(data, column.type is Type.CLOB)
        writer.number(LOCATOR_BYTES).number(length).number(LOB_CHUNK).value(locator)

    def _write_long(self, writer: Writer, column: Column, text: bytes | None) -> None:
        data = column.encode(text) if column.encode and text else text
        if data and column.form == 2:
            data = data.decode().encode("utf-16-be")
        writer.value(data).signed(0).number(0)

    # -- changes --------------------------------------------------------------------------------

    def _change(self, call: Call) -> None:
        cursor = call.cursor
        translated = cursor.translated or {}
        changing = _Changing(
            self,
            cursor,
            translated["sql"].encode(),
            apart=bool(call.options & OPTION_BATCH_ERRORS),
        )
        self.begin()
        self.run(b"SAVEPOINT ora_statement")
        error = changing.run(call.rows or [[]] * max(1, call.executions))
        self.run(b"RELEASE ora_statement")
        if call.options & OPTION_COMMIT and not error:
            self.commit()
        writer = Writer()
        if call.flags & FLAG_ROW_COUNTS:
            writer.uint8(PARAMETERS).numbers(0, 0, 0, 0, len(changing.counts), *changing.counts)
        if changing.refused and not error:
            error = OracleError(24381, "error(s) in array DML")
        self.send(
            self.outcome(
                writer, error, cursor.number, rows=changing.total, refused=changing.refused
            )
        )

    def _parse_only(self, cursor: Cursor) -> None:
        self.begin()
        self.run(b"SAVEPOINT ora_parse")
        sql = (cursor.translated or {})["sql"].encode()
        result = self.postgres.pgconn.prepare(b"ora_parse", sql)
        self.run(b"ROLLBACK TO ora_parse")
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise ora_error(result)
        self.run(b"DEALLOCATE ora_parse")
        self.send(self.outcome(Writer(), None, cursor.number))

    # -- everything else ------------------------------------------------------------------------

    def _define(self, call: Call) -> None:
        self.commit()  # Oracle commits before DDL
        translated, said = call.cursor.translated or {}, call.cursor.sql
        self.run_with(translated["sql"].encode(), [], [])
        synonyms.keep_text(self, said, translated.get("synonyms", []))
        if re.search(r"\bSYNONYM\b", said, re.IGNORECASE):
            self.server.synonyms = synonyms.known(self.server.postgres_dsn)

    def _call_procedures(self, call: Call) -> None:
        cursor = call.cursor
        texts, types = self._parameters(cursor, call.rows[0]) if call.rows else ([], [])
        self.begin()
        self.run(b"SAVEPOINT ora_block")
        for statement in (cursor.translated or {})["sql"]:
            used = sorted({int(place) for place in re.findall(r"\$(\d+)", statement)})
            numbers = {str(old): f"${new}" for new, old in enumerate(used, 1)}
            text = re.sub(r"\$(\d+)", lambda found, n=numbers: n[found.group(1)], statement)
            try:
                self.run_with(
                    text.encode(),
                    [texts[place - 1] for place in used],
                    [types[place - 1] or 25 for place in used],
                )
            except OracleError:
                self.run(b"ROLLBACK TO ora_block")
                raise
        if call.options & OPTION_COMMIT:
            self.commit()

    def _set_transaction(self, call: Call) -> None:
        """Oracle's SERIALIZABLE is snapshot isolation, which is PostgreSQL's REPEATABLE READ."""
        self.commit()
        sql = call.cursor.sql.upper()
        frozen = "SERIALIZABLE" in sql or "READ ONLY" in sql
        reading = " READ ONLY" if "READ ONLY" in sql else ""
        self.run(f"BEGIN{' ISOLATION LEVEL REPEATABLE READ' if frozen else ''}{reading}".encode())
        self.changed = True

    def _in_transaction(self, call: Call) -> None:
        self.begin()
        self.run((call.cursor.translated or {})["sql"].encode())

    def _explain(self, call: Call) -> None:
        plan_table(self, call.cursor.sql)

    def _nothing(self, call: Call) -> None:
        """Do nothing: what the stand-in has no use for."""

    def _set(self, call: Call) -> None:
        """Keep settings of NLS and of the zone; the stand-in has no use for others."""
        for name, value in SETTING.findall(call.cursor.sql):
            self.keep_setting(name, value.strip("'").replace("''", "'"))
        for cursor in self.cursors.values():
            cursor.translated = None

    _others: ClassVar = {
        "setting": _set,
        "ddl": _define,
        "plsql": _call_procedures,
        "set": _set_transaction,
        "savepoint": _in_transaction,
        "lock": _in_transaction,
        "explain": _explain,
        "nop": _nothing,
    }

    def _out_binds(self, call: Call, kind: str) -> Writer:
        writer = Writer()
        if kind == "plsql" and call.cursor.binds:
            writer.uint8(OUT_BINDS).uint8(0).numbers(len(call.cursor.binds), 0, 1, 0, 0, 0)
            for _ in call.cursor.binds:
                writer.uint8(32)  # into the block only
        return writer


def _require_no_returning(sql: str) -> None:
    if returned_binds(sql):
        raise OracleError(22816, "unsupported feature with RETURNING clause (stand-in)")


def returned_binds(sql: str) -> int:
    """Return how many binds at the end of a statement it gives values to."""
    found = re.search(r"\bRETURN(?:ING)?\b[^']*\bINTO\b([^']*)$", sql, re.IGNORECASE)
    dml = re.match(r"\s*(?:INSERT|UPDATE|DELETE|MERGE)\b", sql, re.IGNORECASE)
    return len(re.findall(r":\w+", found.group(1))) if found and dml else 0


@dataclass(slots=True)
class _Changing:
    """One INSERT, UPDATE, DELETE or MERGE with some rows of values."""

    session: Any
    cursor: Cursor
    sql: bytes
    apart: bool
    """Whether a row that is refused leaves the others in."""
    total: int = 0
    counts: list[int] = field(default_factory=list)
    refused: list[tuple[int, OracleError]] = field(default_factory=list)

    def run(self, rows: Sequence[Sequence[bytes | None]]) -> OracleError | None:
        """Run it for every row; return the error that ended it, if one did."""
        prepared = len(rows) > 1
        if prepared:
            self._prepare(rows[0])
        try:
            return self._each(rows, prepared=prepared)
        finally:
            if prepared:
                self.session.postgres.pgconn.exec_(b"DEALLOCATE ora_rows")

    def _prepare(self, row: Sequence[bytes | None]) -> None:
        _, types = self.session._parameters(self.cursor, row)
        result = self.session.postgres.pgconn.prepare(b"ora_rows", self.sql, types)
        if result.status == pq.ExecStatus.FATAL_ERROR:
            error = ora_error(result)
            self.session.run(b"ROLLBACK TO ora_statement")
            raise error

    def _each(
        self, rows: Sequence[Sequence[bytes | None]], *, prepared: bool
    ) -> OracleError | None:
        for place, row in enumerate(rows):
            try:
                count = self._one(row, prepared=prepared)
            except OracleError as error:
                told = too_long.explained(error, self.session, self.cursor.translated, row)
                if not self.apart:
                    self._keep_those_before(rows[:place])
                    return told
                self.refused.append((place, told))
                count = 0
            self.counts.append(count)
            self.total += count
        return None

    def _one(self, row: Sequence[bytes | None], *, prepared: bool) -> int:
        session = self.session
        texts, types = session._parameters(self.cursor, row)
        if self.apart:
            session.run(b"SAVEPOINT ora_row")
        try:
            if prepared:
                result = session.postgres.pgconn.exec_prepared(b"ora_rows", texts)
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise ora_error(result, updates=self.updates)
            else:
                result = session.run_with(self.sql, texts, types, updates=self.updates)
        except OracleError:
            session.run(b"ROLLBACK TO ora_row" if self.apart else b"ROLLBACK TO ora_statement")
            raise
        if self.apart:
            session.run(b"RELEASE ora_row")
        return int(result.command_tuples or 0)

    @property
    def updates(self) -> bool:
        """Whether it is an UPDATE, whose errors have other numbers."""
        return self.sql[:6] == b"UPDATE"

    def _keep_those_before(self, rows: Sequence[Sequence[bytes | None]]) -> None:
        """Do again what the failing row has undone: Oracle keeps the rows before it."""
        for row in rows:
            texts, _ = self.session._parameters(self.cursor, row)
            self.session.postgres.pgconn.exec_prepared(b"ora_rows", texts)
        self.total = len(rows)
