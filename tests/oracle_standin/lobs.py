"""Large objects by their locators."""

from __future__ import annotations

import secrets

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import Writer
from tests.oracle_standin.types import CLOB


class LargeObjects:
    """Large objects by their locators."""

    def new_lob(self, data, clob):
        loc = bytes(
            [0, 38, 0, 4, 0x40 if not clob else 0, 8, 0x80 if clob else 0, 1]
        ) + secrets.token_bytes(32)
        self.lobs[loc] = bytearray(data.decode().encode("utf-16-be") if clob else data)
        return loc

    def lob_op(self):
        r = self.r
        r.u1()
        n = r.ub()
        r.u1()
        dlen = r.ub()
        r.ub()
        r.ub()
        r.u1()
        r.u1()
        r.u1()
        op = r.ub()
        r.u1()
        r.u1()
        so, do = r.ub(), r.ub()
        sa = r.u1()
        r.take(6)
        loc = r.take(n) if n else b""
        data = None
        if op == 0x110:
            r.ub()
        if op == 0x40:
            assert r.u1() == 14
            data = r.val() or b""
        amt = r.ub() if sa else 0
        w = Writer()
        st = self.lobs.get(loc)
        clob = bool(loc and loc[6] & 0x80)
        u = 2 if clob else 1
        if op == 0x110:
            loc = self.new_lob(b"", do == CLOB)
            w.u1(8).raw(loc).ub(873).u1(0)
            return self.send(self.status(w))
        if st is None:
            raise OracleError(22922, "nonexistent LOB value")
        if op == 2:
            chunk = bytes(st[(so - 1) * u : (so - 1 + amt) * u])
            amt = len(chunk) // u
            if chunk:
                w.u1(14).val(chunk)
        elif op == 0x40:
            st[(so - 1) * u : (so - 1) * u + len(data)] = data
        elif op == 0x01:
            amt = len(st) // u
        elif op == 0x20:
            del st[amt * u :]
        elif op == 0x4000:
            amt = 8132
        w.u1(8).raw(loc)
        if sa:
            w.sb(amt)
        self.send(self.status(w))
