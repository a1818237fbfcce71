"""TNS packets and TTC's primitive values, as they are written and read."""

from __future__ import annotations

import queue
import struct

CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12


class Writer(bytearray):
    def u1(s, v):
        s.append(v & 255)
        return s

    def u16(s, v):
        s += struct.pack(">H", v)
        return s

    def u32(s, v):
        s += struct.pack(">I", v)
        return s

    def ub(s, v):
        if v == 0:
            s.append(0)
        else:
            b = v.to_bytes((v.bit_length() + 7) // 8, "big")
            n = len(b)
            m = 1 if n == 1 else 2 if n == 2 else 4 if n <= 4 else 8
            s.append(m)
            s += b.rjust(m, b"\0")
        return s

    def sb(s, v):
        if v < 0:
            t = Writer().ub(-v)
            t[0] |= 0x80
            s += t
            return s
        return s.ub(v)

    def raw(s, b):
        s += b
        return s

    def val(s, b):  # length + bytes (chunked when long); None/empty -> NULL
        if not b:
            s.append(0)
        elif len(b) <= 252:
            s.append(len(b))
            s += b
        else:
            s.append(254)
            for i in range(0, len(b), 32767):
                c = b[i : i + 32767]
                s.ub(len(c))
                s += c
            s.ub(0)
        return s

    def lval(s, b):  # ub4 length, then length + bytes
        if isinstance(b, str):
            b = b.encode()
        if not b:
            return s.ub(0)
        s.ub(len(b))
        return s.val(b)


class Closed(Exception):
    pass


class Interrupted(Exception):
    pass


class Reader:
    """Pulls bytes out of DATA packets put in a queue by the socket thread."""

    def __init__(self):
        self.q = queue.Queue()
        self.b = b""
        self.p = 0

    def take(self, n):
        if len(self.b) - self.p >= n:
            r = self.b[self.p : self.p + n]
            self.p += n
            return r
        out = self.b[self.p :]
        while len(out) < n:
            self.b = self.nextpkt()
            out += self.b
        self.p = len(self.b) - (len(out) - n)
        return out[:n]

    def nextpkt(self):
        pkt = self.q.get()
        if pkt is None:
            raise Closed
        if pkt == b"":
            raise Interrupted  # marker while idle
        return pkt

    def skip_rest(self):
        self.b, self.p = b"", 0

    def at_end(self):
        return self.p >= len(self.b)

    def u1(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "big")

    def ub(self):
        n = self.u1()
        neg = n & 0x80
        n &= 0x7F
        v = int.from_bytes(self.take(n), "big") if n else 0
        return -v if neg else v

    def val(self):
        n = self.u1()
        if n in (0, 255):
            return None
        if n != 254:
            return self.take(n)
        out = b""
        while c := self.ub():
            out += self.take(c)
        return out

    def lval(self):
        return self.val() if self.ub() else b""
