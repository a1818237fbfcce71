"""Oracle's formats of values, and the description of a column."""

from __future__ import annotations

import struct

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import Writer

FIELD_VERSION = 12  # 19.1

(
    NUM,
    VC,
    LONG,
    ROWID_T,
    DATE,
    RAW,
    LONGRAW,
    CHAR,
    BFLOAT,
    BDOUBLE,
    CLOB,
    BLOB,
    TS,
    TSTZ,
    INTDS,
    TSLTZ,
) = 2, 1, 8, 11, 12, 23, 24, 96, 100, 101, 112, 113, 180, 181, 183, 231


def enc_number(t: bytes) -> bytes:  # t: PostgreSQL text of a numeric
    neg = t[:1] == b"-"
    if neg:
        t = t[1:]
    ip, _, fp = t.partition(b".")
    ip = ip.lstrip(b"0")
    fp = fp.rstrip(b"0")
    if not ip and not fp:
        return b"\x80"
    if len(ip) & 1:
        ip = b"0" + ip
    if len(fp) & 1:
        fp += b"0"
    exp = len(ip) // 2
    d = ip + fp
    if not ip:
        while d[:2] == b"00":
            d = d[2:]
            exp -= 1
    while d[-2:] == b"00":
        d = d[:-2]
    d = d[:40]
    pairs = [int(d[i : i + 2]) for i in range(0, len(d), 2)]
    e = exp + 192
    if neg:
        return bytes([~e & 255] + [101 - x for x in pairs] + ([102] if len(pairs) < 20 else []))
    return bytes([e] + [x + 1 for x in pairs])


def dec_number(b: bytes) -> bytes:
    e = b[0]
    pos = e & 0x80
    if len(b) == 1:
        return b"0" if pos else b"-1e126"
    if not pos:
        e = ~e & 255
        m = b[1:-1] if b[-1] == 102 else b[1:]
        d = "".join("%02d" % (101 - x) for x in m)
    else:
        d = "".join("%02d" % (x - 1) for x in b[1:])
    n = (e - 192) * 2
    if n <= 0:
        s = "0." + "0" * -n + d
    elif n >= len(d):
        s = d + "0" * (n - len(d))
    else:
        s = d[:n] + "." + d[n:]
    return (("-" if not pos else "") + s).encode()


def enc_date(t: bytes, frac: bool):  # b'2024-01-31 12:34:56.789' (BC dates not handled)
    s = t.decode()
    bc = s.endswith(" BC")
    y, mo, d = int(s[0:4]), int(s[5:7]), int(s[8:10])
    h, mi, se = (int(s[11:13]), int(s[14:16]), int(s[17:19])) if len(s) > 10 else (0, 0, 0)
    out = bytes([y // 100 + 100, y % 100 + 100, mo, d, h + 1, mi + 1, se + 1])
    if not frac:
        return out
    f = s[20:26].split("+")[0] if len(s) > 19 and s[19] == "." else ""
    ns = int(f.ljust(6, "0")) * 1000 if f else 0
    return out + struct.pack(">I", ns) if ns else out


def enc_tstz(t: bytes):  # session runs in UTC: '...+00'
    s = t[:-3]
    out = enc_date(s, True)
    return out.ljust(11, b"\0") + bytes([20, 60])


def dec_date(b: bytes) -> bytes:
    y = (b[0] - 100) * 100 + b[1] - 100
    s = "%04d-%02d-%02d %02d:%02d:%02d" % (y, b[2], b[3], b[4] - 1, b[5] - 1, b[6] - 1)
    if len(b) >= 11:
        s += ".%09d" % struct.unpack(">I", b[7:11])[0]
    if len(b) >= 13:
        s += "+00" if b[11] == 0 else "+00"
    return s.encode()


def enc_bd(v: float):
    b = struct.pack(">d", v)
    return bytes([b[0] | 0x80]) + b[1:] if not b[0] & 0x80 else bytes(~x & 255 for x in b)


def dec_bd(b):
    return struct.unpack(
        ">d", bytes([b[0] & 0x7F]) + b[1:] if b[0] & 0x80 else bytes(~x & 255 for x in b)
    )[0]


def enc_bf(v: float):
    b = struct.pack(">f", v)
    return bytes([b[0] | 0x80]) + b[1:] if not b[0] & 0x80 else bytes(~x & 255 for x in b)


def dec_bf(b):
    return struct.unpack(
        ">f", bytes([b[0] & 0x7F]) + b[1:] if b[0] & 0x80 else bytes(~x & 255 for x in b)
    )[0]


def _f(t):
    return float({b"Infinity": b"inf", b"-Infinity": b"-inf", b"NaN": b"nan"}.get(t, t))


def pg_bytea(t: bytes):
    return bytes.fromhex(t[2:].decode())


B64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def un64(s):
    v = 0
    for c in s:
        v = v << 6 | B64.index(c)
    return v


def enc_rowid(t: bytes):
    return (
        Writer().u1(14).ub(un64(t[:6])).ub(un64(t[6:9])).u1(0).ub(un64(t[9:15])).ub(un64(t[15:18]))
    )


class Col:
    __slots__ = ("buf", "csfrm", "enc", "name", "nulls", "prec", "scale", "size", "t")

    def __init__(s, name, t, prec=0, scale=0, size=0, buf=0, csfrm=0, enc=None):
        s.name, s.t, s.prec, s.scale, s.size, s.buf, s.csfrm, s.enc, s.nulls = (
            name,
            t,
            prec,
            scale,
            size,
            buf,
            csfrm,
            enc,
            1,
        )

    def describe(s, w: Writer):
        w.u1(s.t).u1(0x80).u1(s.prec).u1(s.scale & 255).ub(s.buf).ub(0).ub(0).ub(0).ub(0).ub(
            873 if s.csfrm else 0
        ).u1(s.csfrm)
        w.ub(s.size).ub(0).u1(s.nulls).u1(len(s.name.encode()) & 255).lval(s.name).ub(0).ub(0).ub(
            0
        ).ub(0)


def make_col(srv, name, oid, fmod):
    if oid == 1700:
        if fmod < 0:
            return Col(name, NUM, 0, -127, 0, 22, 0, enc_number)
        p, sc = (fmod - 4) >> 16 & 0xFFFF, (fmod - 4) & 0x7FF
        return Col(name, NUM, p, sc - 2048 if sc > 1023 else sc, 0, 22, 0, enc_number)
    if oid in (20, 21, 23, 26):
        return Col(name, NUM, 0, -127, 0, 22, 0, enc_number)
    if oid in (1043, 25, 705, 19):
        n = fmod - 4 if fmod > 4 else (4000 if oid != 705 else 32)
        return Col(name, VC, 0, 0, n, min(n * 4, 32767), 1, None)
    if oid == 1042:
        n = max(fmod - 4, 1)
        return Col(name, CHAR, 0, 0, n, n * 4, 1, None)
    if (oid == 1114 and fmod == 0) or oid == 1082:
        return Col(name, DATE, 0, 0, 0, 7, 0, lambda t: enc_date(t, False))
    if oid == 1114:
        return Col(name, TS, 0, fmod if fmod >= 0 else 6, 0, 11, 0, lambda t: enc_date(t, True))
    if oid == 1184:
        return Col(name, TSTZ, 0, fmod if fmod >= 0 else 6, 0, 13, 0, enc_tstz)
    if oid == 701:
        return Col(name, BDOUBLE, 0, 0, 0, 8, 0, lambda t: enc_bd(_f(t)))
    if oid == 700:
        return Col(name, BFLOAT, 0, 0, 0, 4, 0, lambda t: enc_bf(_f(t)))
    if oid == 17:
        return Col(name, RAW, 0, 0, 2000, 2000, 0, pg_bytea)
    if oid == 16:
        return Col(name, NUM, 1, 0, 0, 22, 0, lambda t: enc_number(b"1" if t == b"t" else b"0"))
    if oid == srv.oids["clob"]:
        return Col(name, CLOB, 0, 0, 0, 4000, 1, None)
    if oid == srv.oids["blob"]:
        return Col(name, BLOB, 0, 0, 0, 4000, 0, pg_bytea)
    if oid == srv.oids["rowid"]:
        return Col(name, ROWID_T, 0, 0, 0, 18, 0, enc_rowid)
    if oid == 2278:
        return Col(name, VC, 0, 0, 1, 4, 1, None)
    raise OracleError(
        932,
        f"inconsistent datatypes: stand-in has no Oracle type for PostgreSQL oid {oid} ({name})",
    )
