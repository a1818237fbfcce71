"""One client: its packets, its calls, its faults."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
import traceback

from tests.oracle_standin.auth import Authentication
from tests.oracle_standin.direct_path import DirectPath
from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.execute import Execution
from tests.oracle_standin.lobs import LargeObjects
from tests.oracle_standin.packets import DATA, MARKER, Closed, Interrupted, Reader, Writer
from tests.oracle_standin.postgres import Backend
from tests.oracle_standin.types import FIELD_VERSION, un64


class Session(Authentication, Backend, Execution, LargeObjects, DirectPath):
    """One client's session."""

    def __init__(self, srv, sock):
        self.srv, self.sock, self.r = srv, sock, Reader()
        self.big = False
        self.seq = 0
        self.cursors = {}
        self.next_cur = 1
        self.lobs = {}
        self.dirty = False
        self.busy = False
        self.interrupted = False
        self.reset_evt = threading.Event()
        self.dp = {}
        self.user = None
        self.pg = None
        self.stats = srv.stats

    def recvn(self, n):
        b = b""
        while len(b) < n:
            c = self.sock.recv(n - len(b))
            if not c:
                raise Closed()
            b += c
        return b

    def read_packet(self):
        h = self.recvn(8)
        n = struct.unpack(">I", h[:4])[0] if self.big else struct.unpack(">H", h[:2])[0]
        return h[4], self.recvn(n - 8)

    def send_packet(self, typ, body):
        n = len(body) + 8
        h = struct.pack(">I", n) if self.big else struct.pack(">HH", n, 0)
        self.sock.sendall(h + bytes([typ, 0, 0, 0]) + body)

    def send(self, w: Writer):
        mx = self.srv.sdu - 10
        mv = memoryview(w)
        out = bytearray()
        for i in range(0, len(w), mx):
            c = mv[i : i + mx]
            out += struct.pack(">I", len(c) + 10) + bytes([DATA, 0, 0, 0, 0, 0])
            out += c
            if len(out) > 1 << 20:
                self.sock.sendall(out)
                out = bytearray()
        if out:
            self.sock.sendall(out)

    def pump(self):  # socket thread: queue DATA bodies, act on markers at once
        try:
            while True:
                t, body = self.read_packet()
                if t == DATA:
                    if struct.unpack(">H", body[:2])[0] & 0x40:
                        break
                    self.r.q.put(body[2:])
                elif t == MARKER:
                    if body[2] == 2:
                        self.reset_evt.set()
                    else:
                        self.interrupted = True
                        if self.pg and self.busy:
                            self.pg.pgconn.get_cancel().cancel()
                        self.r.q.put(b"")
        except (OSError, Closed, struct.error):
            pass
        self.r.q.put(None)

    def run(self):
        try:
            if not self.handshake():
                return
            threading.Thread(target=self.pump, daemon=True).start()
            self.loop()
        except (Closed, OSError) as x:
            self.srv.trace and print("session end", repr(x), file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            self.srv.sessions.discard(self)
            try:
                self.sock.shutdown(socket.SHUT_RDWR)  # never leave the client waiting
            except OSError:
                pass
            try:
                self.pg and self.pg.close()
            except Exception:
                pass
            try:
                self.sock.close()
            except Exception:
                pass

    def status(self, w=None):
        return (w or Writer()).u1(9).ub(2 if self.dirty else 0).ub(1)

    def loop(self):
        r = self.r
        while True:
            self.interrupted = False
            if r.at_end():
                r.skip_rest()
            try:
                t = r.u1()
                if t == 1:  # protocol negotiation
                    while r.u1():
                        pass
                    while r.u1():
                        pass
                    cc = bytearray(55)
                    cc[7] = FIELD_VERSION
                    rc = bytearray(13)
                    rc[6] = 0x04
                    fdo = bytes(9) + b"\x07\xd0"
                    w = (
                        Writer()
                        .u1(1)
                        .u1(6)
                        .u1(0)
                        .raw(b"StandIn/TTC\0")
                        .raw(struct.pack("<H", 873))
                        .u1(1)
                        .raw(b"\0\0")
                        .u16(len(fdo))
                        .raw(fdo)
                        .val(bytes(cc))
                        .val(bytes(rc))
                    )
                    self.send(w)
                elif t == 2:  # data types
                    r.take(5)
                    r.val()
                    r.val()
                    while r.u16():
                        if r.u16():
                            r.take(4)
                    self.send(Writer().u1(2).u16(0))
                elif t == 3:
                    self.function(r.u1(), r.u1())
                elif t == 17:
                    self.piggyback(r.u1(), r.u1())
                elif t == 26:
                    r.u1(), r.u1()
                    r.take(2)
                    r.ub()
                else:
                    raise RuntimeError(f"unknown TTC message type {t}")
            except Interrupted:
                self.do_reset()

    def do_reset(self):  # break/reset handshake, then the error
        self.send_packet(MARKER, b"\x01\x00\x01")
        if not self.reset_evt.wait(5):
            raise Closed()  # the client may have sent RESET already
        self.reset_evt.clear()
        while not self.r.q.empty():  # drop what was sent before the break, and its token
            if self.r.q.get() is None:
                raise Closed()
        self.send_packet(MARKER, b"\x01\x00\x02")
        self.r.skip_rest()
        self.interrupted = False
        self.send(
            self.error(Writer(), OracleError(1013, "user requested cancel of current operation"))
        )

    def error(self, w, err=None, cid=0, rows=0, batch=None, rowid=None):
        code = err.code if err else 0
        w.u1(4).ub(2 if self.dirty else 0).ub(1).ub(0).ub(code if code < 65536 else 600).ub(0).ub(
            0
        ).ub(cid).sb(err.pos if err else 0)
        w.u1(0).u1(0).u1(0).u1(0).u1(0).u1(0)
        if rowid:
            w.ub(un64(rowid[:6])).ub(un64(rowid[6:9])).u1(0).ub(un64(rowid[9:15])).ub(
                un64(rowid[15:18])
            )
        else:
            w.ub(0).ub(0).u1(0).ub(0).ub(0)
        w.ub(0).u1(0).u1(0).ub(0).ub(0).ub(0)
        batch = batch or []
        w.ub(len(batch))
        if batch:
            w.u1(1)
            for _, e in batch:
                w.ub(e.code)
        w.ub(len(batch))
        if batch:
            w.u1(1)
            for off, _ in batch:
                w.ub(off)
        w.ub(len(batch))
        if batch:
            w.u1(1)
            for _, e in batch:
                m = (str(e) + "\n").encode()
                w.ub(len(m)).val(m).raw(b"\0\0")
        w.ub(code).ub(rows)
        if code:
            w.val((str(err) + "\n").encode())
        return w

    def function(self, fc, seq):
        r = self.r
        self.stats[fc] = self.stats.get(fc, 0) + 1
        if fc == 118:
            return self.auth1()
        if fc == 115:
            return self.auth2()
        try:
            if fc in (94, 4, 78):
                return self.execute(fc)
            if fc == 5:
                c = self.cursors[r.ub()]
                self.fault(f"FETCH {c.sql}")
                n = r.ub()
                w = Writer()
                self.rows(w, c, n)
                return self.send(w)
            if fc == 14:
                self.fault("COMMIT")
                self.commit()
                self.fault("AFTER_COMMIT")
                return self.send(self.status())
            if fc == 15:
                self.rollback()
                return self.send(self.status())
            if fc == 147:
                self.fault("PING")
                return self.send(self.status())
            if fc == 9:
                self.rollback()
                return self.send(self.status())
            if fc == 96:
                return self.lob_op()
            if fc == 128:
                return self.dp_prepare()
            if fc == 129:
                return self.dp_stream()
            if fc == 130:
                return self.dp_op()
        except OracleError as e:
            return self.send(self.error(Writer(), e))
        raise RuntimeError(f"TTC function {fc} not implemented")

    def piggyback(self, fc, seq):
        r = self.r
        if fc == 105:
            r.u1()
            n = r.ub()
            for _ in range(n):
                self.cursors.pop(r.ub(), None)
        elif fc == 152:
            r.u1()
            r.lval()
        elif fc == 96:
            r.u1()
            tot = r.ub()
            r.u1()
            r.ub()
            r.ub()
            r.ub()
            r.take(3)
            r.ub()
            r.u1()
            r.ub()
            r.ub()
            r.ub()
            r.u1()
            for _ in range(3):
                r.u1()
                r.ub()
            b = r.take(tot)
            for i in range(0, tot, 40):
                self.lobs.pop(b[i : i + 40], None)
        elif fc == 135:
            r.take(2)
            fl = r.ub()
            lens = []
            for k in range(3):
                p = r.u1()
                n = r.ub()
                lens.append(n)
            r.u1()
            r.ub()
            r.u1()
            r.ub()
            r.u1()
            lens.append(r.ub())
            r.u1()
            r.ub()
            r.u1()
            r.ub()
            r.u1()
            lens.append(r.ub())
            values = [r.val() if n else None for n in lens]
            if values[0]:  # V$SESSION shows it: see the dictionary
                name = values[0].decode().replace("'", "''")
                self.x(f"SET application_name = '{name}'".encode())
        elif fc == 176:
            r.ub()
        else:
            raise RuntimeError(f"piggyback {fc} not implemented")

    def fault(self, text):
        f = self.srv.take_fault(text)
        if f is None:
            return
        if f.get("delay"):
            time.sleep(f["delay"])
        if f.get("drop"):
            self.sock.shutdown(socket.SHUT_RDWR)
            raise Closed()
        if f.get("code"):
            raise OracleError(f["code"], f.get("message") or "injected by the test")
