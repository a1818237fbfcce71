"""One client: its packets, its calls, its faults."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg

from tests.oracle_standin.auth import Authentication
from tests.oracle_standin.direct_path import DirectPath
from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.lobs import LargeObjects
from tests.oracle_standin.packets import DATA, MARKER, Closed, Interrupted, Reader, Writer
from tests.oracle_standin.postgres import Backend
from tests.oracle_standin.statements import EXECUTE, REEXECUTE, REEXECUTE_FETCH, Cursor, Statements

if TYPE_CHECKING:
    from tests.oracle_standin.server import StandIn

PACKET_BYTES = 8192
FIELD_VERSION = 12
"""Of 19.1: which fields messages have."""

AL32UTF8_LITTLE = struct.pack("<H", 873)
PROTOCOL, DATA_TYPES, FUNCTION, PIGGYBACK, ONE_WAY = 1, 2, 3, 17, 26
"""Kinds of messages."""

ERROR_SIGN, STATUS_SIGN = 4, 9
RESET_SECONDS = 5
END_OF_FILE = 0x40
BREAK, RESET = b"\x01\x00\x01", b"\x01\x00\x02"
CLIENT_IDENTIFIER_FIELD = 0

RIGHTS = (
    (r"\bDBMS_FLASHBACK\b", 904, '"DBMS_FLASHBACK": invalid identifier'),
    (r"\bSYS\.(?:DBA_|G?V_\$)", 942, "table or view does not exist"),
    (r"^\s*ALTER\s+SYSTEM\b", 1031, "insufficient privileges"),
)
"""What only a privileged user may say, and what others are told."""

SETTINGS = "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'"


class Session(Authentication, Backend, Statements, LargeObjects, DirectPath):
    """One client's session."""

    def __init__(self, server: StandIn, client: socket.socket) -> None:
        self.server, self.socket, self.reader = server, client, Reader()
        self.long_packets = False
        self.cursors: dict[int, Cursor] = {}
        self.next_cursor = 1
        self.lobs: dict[bytes, bytearray] = {}
        self.direct_loads: dict[int, Any] = {}
        self.changed = False
        """Whether the client is told that a transaction is open."""
        self.busy = False
        self.interrupted = False
        self.reset, self.broken = threading.Event(), threading.Event()
        self.user = ""
        self.settings: dict[str, str] = {}
        """What ALTER SESSION has set."""
        self.postgres: Any = None

    # -- packets --------------------------------------------------------------------------------

    def _received(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise Closed
            data += piece
        return data

    def read_packet(self) -> tuple[int, bytes]:
        """Return a packet's kind and body."""
        head = self._received(8)
        size = (
            struct.unpack(">I", head[:4])[0]
            if self.long_packets
            else struct.unpack(">H", head[:2])[0]
        )
        return head[4], self._received(size - 8)

    def send_packet(self, kind: int, body: bytes) -> None:
        """Send one packet."""
        size = len(body) + 8
        length = struct.pack(">I", size) if self.long_packets else struct.pack(">HH", size, 0)
        self.socket.sendall(length + bytes([kind, 0, 0, 0]) + body)

    def send(self, writer: Writer) -> None:
        """Send an answer in as many packets as it needs."""
        most = PACKET_BYTES - 10
        body = memoryview(writer)
        packets = bytearray()
        for start in range(0, len(writer), most):
            piece = body[start : start + most]
            packets += struct.pack(">I", len(piece) + 10) + bytes([DATA, 0, 0, 0, 0, 0])
            packets += piece
        self.socket.sendall(packets)

    def _receive(self) -> None:
        """Queue what arrives; act at once on a client that wants a call broken off."""
        with contextlib.suppress(OSError, Closed, struct.error):
            while True:
                kind, body = self.read_packet()
                if kind == DATA:
                    if struct.unpack(">H", body[:2])[0] & END_OF_FILE:
                        break
                    self.reader.packets.put(body[2:])
                elif kind == MARKER:
                    self._marked(body[2] == RESET[2])
        self.reader.packets.put(None)

    def _marked(self, is_reset: bool) -> None:  # noqa: FBT001
        if is_reset:
            self.reset.set()
            return
        self.interrupted = True
        self.broken.set()
        if self.postgres and self.busy:
            self.postgres.pgconn.get_cancel().cancel()
        self.reader.packets.put(b"")

    # -- its life -------------------------------------------------------------------------------

    def serve(self) -> None:
        """Serve the client until it goes."""
        try:
            if self.handshake():
                threading.Thread(target=self._receive, daemon=True).start()
                self._answer_messages()
        except (Closed, OSError):
            pass
        except BaseException:  # noqa: BLE001 - the client must be let go whatever happened
            traceback.print_exc(file=sys.stderr)
        finally:
            self.server.sessions.discard(self)
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            if self.postgres:
                with contextlib.suppress(psycopg.Error):
                    self.postgres.close()
            self.socket.close()

    @property
    def search_path(self) -> str:
        """The statement by which a connection sees what the user sees."""
        rights = "ora_dba, " if self.server.users[self.user].privileged else ""
        kept = "".join(f"; SET ora.{name} = '{value}'" for name, value in self.settings.items())
        return f'SET search_path = "{self.user}", {rights}ora, public, pg_catalog; {SETTINGS}{kept}'

    def attach(self) -> None:
        """Open the PostgreSQL session behind this one; a user is a schema there."""
        self.postgres = psycopg.connect(self.server.postgres_dsn, autocommit=True)
        self.run(f'CREATE SCHEMA IF NOT EXISTS "{self.user}"'.encode())
        self.run(f"{self.search_path}; SET extra_float_digits = 1".encode())
        self._log_on()
        self._show("")

    def _log_on(self) -> None:
        """Do what a trigger at logon does: set what a table LOGON_SETTINGS of the user's holds."""
        table = f'"{self.user}"."LOGON_SETTINGS"'
        with self.postgres.cursor() as cursor:
            if cursor.execute(f"SELECT to_regclass('{table}')").fetchone()[0]:
                for name, value in cursor.execute(f"SELECT * FROM {table}").fetchall():
                    self.keep_setting(name, value)

    def keep_setting(self, name: str, value: str) -> None:
        """Keep a setting of this session."""
        self.settings[name.lower()] = value.replace("'", "''")
        self.run(f"SET ora.{name.lower()} = '{self.settings[name.lower()]}'".encode())

    @property
    def by_language(self) -> bool:
        """Whether texts are ordered by something else than their bytes."""
        return self.settings.get("nls_sort", "BINARY").upper() != "BINARY"

    def _show(self, client_identifier: str) -> None:
        """Let V$SESSION show the user and the name the client gave itself."""
        shown = f"{self.user}|{client_identifier}".replace("'", "''")
        self.run(f"SET application_name = '{shown}'".encode())

    def _answer_messages(self) -> None:
        while True:
            self.interrupted = False
            self.broken.clear()
            if self.reader.at_end():
                self.reader.skip_rest()
            try:
                self._answer(self.reader.uint8())
            except Interrupted:
                self._break_off()

    def _answer(self, kind: int) -> None:
        reader = self.reader
        if kind == PROTOCOL:
            self._agree_on_protocol()
        elif kind == DATA_TYPES:
            self._agree_on_types()
        elif kind == FUNCTION:
            function = reader.uint8()
            reader.skip("b")
            self._function(function)
        elif kind == PIGGYBACK:
            function = reader.uint8()
            reader.skip("b")
            self._piggybacks[function](self)
        elif kind == ONE_WAY:
            reader.skip("bbbbn")
        else:
            message = f"unknown message {kind}"
            raise RuntimeError(message)

    def _agree_on_protocol(self) -> None:
        for _ in range(2):  # versions and a name, each ended by a zero
            while self.reader.uint8():
                pass
        compile_time, run_time = bytearray(55), bytearray(13)
        compile_time[7], run_time[6] = FIELD_VERSION, 0x04
        sets = bytes(9) + b"\x07\xd0"  # the national one is AL16UTF16
        writer = Writer().uint8(PROTOCOL).uint8(6).uint8(0).raw(b"StandIn/TTC\0")
        writer.raw(AL32UTF8_LITTLE).uint8(1).raw(b"\0\0").uint16(len(sets)).raw(sets)
        self.send(writer.value(bytes(compile_time)).value(bytes(run_time)))

    def _agree_on_types(self) -> None:
        reader = self.reader
        reader.take(5)
        reader.value()
        reader.value()
        while reader.uint16():
            if reader.uint16():
                reader.take(4)
        self.send(Writer().uint8(DATA_TYPES).uint16(0))

    def _break_off(self) -> None:
        """Shake hands over a broken call, then answer with the error of one."""
        self.send_packet(MARKER, BREAK)
        if not self.reset.wait(RESET_SECONDS):
            raise Closed
        self.reset.clear()
        while not self.reader.packets.empty():  # what was sent before the break
            if self.reader.packets.get() is None:
                raise Closed
        self.send_packet(MARKER, RESET)
        self.reader.skip_rest()
        self.interrupted = False
        self.send(
            self.outcome(Writer(), OracleError(1013, "user requested cancel of current operation"))
        )

    # -- calls ----------------------------------------------------------------------------------

    def _function(self, function: int) -> None:
        try:
            if function in (EXECUTE, REEXECUTE, REEXECUTE_FETCH):
                self.execute(function)
            elif function in self._functions:
                self._functions[function](self)
            else:
                message = f"function {function} is not implemented"
                raise RuntimeError(message)
        except OracleError as error:
            self.send(self.outcome(Writer(), error))
            if self.is_killed():
                raise Closed from None

    def _commit(self) -> None:
        self.meet_fault("COMMIT")
        self.commit()
        self.meet_fault("AFTER_COMMIT")
        self.send(self.status())

    def _roll_back(self) -> None:
        self.rollback()
        self.send(self.status())

    def _ping(self) -> None:
        self.meet_fault("PING")
        self.run(b"")
        self.send(self.status())

    _functions: ClassVar = {
        118: Authentication.offer_session_key,
        115: Authentication.check_password,
        5: Statements.fetch,
        14: _commit,
        15: _roll_back,
        9: _roll_back,  # logging off
        147: _ping,
        96: LargeObjects.lob_operation,
        128: DirectPath.prepare_direct_load,
        129: DirectPath.stream_direct_load,
        130: DirectPath.end_direct_load,
    }

    def _close_cursors(self) -> None:
        self.reader.skip("b")
        for _ in range(self.reader.number()):
            self.cursors.pop(self.reader.number(), None)

    def _set_schema(self) -> None:
        self.reader.skip("b")
        self.reader.sized()

    def _set_end_to_end(self) -> None:
        """Take the names a client gives its session, of which one is shown."""
        reader = self.reader
        reader.take(2)
        reader.skip("n")
        lengths = []
        for _ in range(3):
            reader.skip("b")
            lengths.append(reader.number())
        for _ in range(2):
            reader.skip("bnbnb")
            lengths.append(reader.number())
        names = [reader.value() if length else None for length in lengths]
        identifier = names[CLIENT_IDENTIFIER_FIELD]
        if identifier:
            self._show(identifier.decode())

    def _begin_pipeline(self) -> None:
        self.reader.skip("n")

    _piggybacks: ClassVar = {
        105: _close_cursors,
        152: _set_schema,
        96: LargeObjects.free_lobs,
        135: _set_end_to_end,
        176: _begin_pipeline,
    }

    # -- answers --------------------------------------------------------------------------------

    def status(self, writer: Writer | None = None) -> Writer:
        """Write that a call is done."""
        return (writer or Writer()).uint8(STATUS_SIGN).number(2 if self.changed else 0).number(1)

    def outcome(
        self,
        writer: Writer,
        error: OracleError | None = None,
        cursor: int = 0,
        *,
        rows: int = 0,
        refused: list[tuple[int, OracleError]] | None = None,
    ) -> Writer:
        """Write how a statement ended: its error, its rows, the rows it refused."""
        code, position = (error.code, error.position) if error else (0, 0)
        writer.uint8(ERROR_SIGN).numbers(2 if self.changed else 0, 1, 0)
        writer.number(code if code < 1 << 16 else 600).numbers(0, 0, cursor).signed(position)
        writer.raw(bytes(6))
        writer.numbers(0, 0).uint8(0).numbers(0, 0)  # the last row's address
        writer.number(0).uint8(0).uint8(0).numbers(0, 0, 0)
        _write_refused(writer, refused or [])
        writer.number(code).number(rows)
        return writer.value(f"{error}\n".encode()) if error else writer

    # -- faults and rights ----------------------------------------------------------------------

    def meet_fault(self, text: str) -> None:
        """Let happen what a test wants to happen at a statement or a call."""
        fault = self.server.faults.take(text)
        if fault is None:
            return
        if fault.get("delay") and self.broken.wait(fault["delay"]):
            raise Interrupted
        if fault.get("drop"):
            self.socket.shutdown(socket.SHUT_RDWR)
            raise Closed
        if fault.get("code"):
            raise OracleError(fault["code"], fault.get("message") or "injected by the test")

    def require_rights(self, sql: str) -> None:
        """Refuse what the user may not say."""
        for pattern, code, message in RIGHTS:
            if re.search(pattern, sql, re.IGNORECASE):
                if not self.server.users[self.user].privileged:
                    raise OracleError(code, message)
                return


def _write_refused(writer: Writer, refused: list[tuple[int, OracleError]]) -> None:
    """Write the codes, places and messages of the rows a statement refused."""
    messages = [f"{error}\n".encode() for _, error in refused]
    lists = ([error.code for _, error in refused], [place for place, _ in refused])
    for numbers in lists:
        writer.number(len(numbers))
        if numbers:
            writer.uint8(1).numbers(*numbers)
    writer.number(len(messages))
    if messages:
        writer.uint8(1)
        for message in messages:
            writer.number(len(message)).value(message).raw(b"\0\0")
