"""Direct path loads: prepare, stream, finish."""

from __future__ import annotations

import struct

from psycopg import pq

from tests.oracle_standin.errors import ora_error
from tests.oracle_standin.packets import Writer
from tests.oracle_standin.types import (
    BDOUBLE,
    BFLOAT,
    BLOB,
    CHAR,
    CLOB,
    DATE,
    NUM,
    RAW,
    TS,
    TSTZ,
    VC,
    dec_bd,
    dec_bf,
    dec_date,
    dec_number,
    make_col,
)


class DirectPath:
    """Direct path loads: prepare, stream, finish."""

    def dp_prepare(self):
        r = self.r
        r.ub()
        r.u1()
        nk = r.ub()
        r.u1()
        ni = r.ub()
        r.take(6)
        names = []
        sch = tab = None
        for _ in range(nk):
            r.ub()
            r.ub()
            v = r.val().decode()
            k = r.ub()
            if k == 3:
                sch = v
            elif k == 1:
                tab = v
            elif k == 4:
                names.append(v)
        for _ in range(ni):
            r.ub()
        q = ", ".join('"%s"' % n for n in names)
        res = self.xp(f'SELECT {q} FROM "{sch}"."{tab}" WHERE false'.encode(), [], [])
        nn = self.xp(
            b"SELECT attname FROM pg_attribute WHERE attrelid=$1::regclass AND attnotnull",
            [f'"{sch}"."{tab}"'.encode()],
            [25],
        )
        notnull = {nn.get_value(i, 0).decode() for i in range(nn.ntuples)}
        cols = [
            make_col(self.srv, res.fname(i).decode(), res.ftype(i), res.fmod(i))
            for i in range(res.nfields)
        ]
        cid = self.next_cur
        self.next_cur += 1
        self.begin()
        self.x(b"SAVEPOINT ora_dp")
        self.dp[cid] = (f'COPY "{sch}"."{tab}" ({q}) FROM STDIN', cols)
        w = Writer().u1(8).ub(len(cols))
        for c in cols:
            c.nulls = 0 if c.name in notnull else 1
            if c.t in (VC, CHAR):
                c.size = c.buf
            c.describe(w)
        w.ub(0).ub(14)
        for i in range(14):
            w.ub(cid if i == 3 else 0)
        self.send(self.status(w))

    def dp_stream(self):
        r = self.r
        cid = r.ub()
        r.u1()
        total = r.ub()
        r.ub()
        r.u1()
        r.ub()
        r.u1()
        r.u1()
        buf = r.take(total)
        copy, cols = self.dp[cid]
        p = 0
        rows = []
        row = []
        part = None
        while p < total:
            fl = buf[p]
            p += 1
            if fl & 0x10:
                p += 2
            ns = buf[p]
            p += 1
            for s in range(ns):
                n = buf[p]
                p += 1
                if n == 255:
                    v = None
                else:
                    if n == 254:
                        n = struct.unpack(">H", buf[p : p + 2])[0]
                        p += 2
                    v = buf[p : p + n]
                    p += n
                if s == 0 and fl & 2:
                    v = part + v
                    part = None
                if s == ns - 1 and fl & 1:
                    part = v
                else:
                    row.append(v)
            if fl & 4:
                rows.append(row)
                row = []
        out = []
        esc = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}
        for row in rows:
            f = []
            for c, v in zip(cols, row):
                if v is None or v == b"":
                    f.append("\\N")
                elif c.t == NUM:
                    f.append(dec_number(v).decode())
                elif c.t in (DATE, TS, TSTZ):
                    f.append(dec_date(v).decode())
                elif c.t == BDOUBLE:
                    f.append(repr(dec_bd(v)))
                elif c.t == BFLOAT:
                    f.append(repr(dec_bf(v)))
                elif c.t in (RAW, BLOB):
                    f.append("\\\\x" + v.hex())
                elif c.t == CLOB:
                    f.append(v.decode("utf-16-be").translate(esc))
                else:
                    f.append(v.decode().translate(esc))
            out.append("\t".join(f))
        pgc = self.pg.pgconn
        res = pgc.exec_(copy.encode())
        if res.status == pq.ExecStatus.FATAL_ERROR:
            raise ora_error(res)
        pgc.put_copy_data(("\n".join(out) + "\n").encode())
        pgc.put_copy_end()
        res = pgc.get_result()
        while pgc.get_result():
            pass
        if res.status == pq.ExecStatus.FATAL_ERROR:
            raise ora_error(res)
        self.send(self.status(Writer().u1(8).ub(0)))

    def dp_op(self):
        r = self.r
        op = r.ub()
        cid = r.ub()
        r.u1()
        r.ub()
        r.u1()
        r.u1()
        self.dp.pop(cid, None)
        if op == 2:
            self.commit() if self.srv.dp_autocommit else None
        else:
            self.x(b"ROLLBACK TO ora_dp")
        self.send(self.status(Writer().u1(8).ub(0)))
