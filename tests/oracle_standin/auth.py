"""The handshake: the service is found, the password proven (O5LOGON), the session attached."""

from __future__ import annotations

import hashlib
import re
import secrets
import struct

import psycopg
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import ACCEPT, REFUSE, Writer


def aes(key, data, enc):
    c = Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
    x = c.encryptor() if enc else c.decryptor()
    return x.update(data) + x.finalize()


class Authentication:
    """The handshake: the service is found, the password proven (O5LOGON), the session attached."""

    def handshake(self):
        t, b = self.read_packet()
        n, off = struct.unpack(">H", b[16:18])[0], struct.unpack(">H", b[18:20])[0]
        cs = b[off - 8 : off - 8 + n]
        if len(cs) < n:
            cs = self.read_packet()[1][2:]
        cs = cs.decode()
        m = re.search(r"SERVICE_NAME=([^)]*)", cs, re.IGNORECASE)
        fault = self.srv.take_fault("CONNECT")
        if fault and fault.get("drop"):
            return False
        if fault or (m and self.srv.services and m.group(1).lower() not in self.srv.services):
            code = fault["code"] if fault else 12514
            d = (
                b"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=%(code)d)(ERROR_STACK=(ERROR=(CODE=%(code)d)(EMFI=4))))"
                % {b"code": code}
            )
            self.send_packet(REFUSE, bytes([34, 0]) + struct.pack(">H", len(d)) + d)
            return False
        body = (
            struct.pack(
                ">HHHHHHH", 318, 1, min(self.srv.sdu, 65535), min(self.srv.sdu, 65535), 1, 0, 45
            )
            + b"\4\4"
            + bytes(8)
            + struct.pack(">II", self.srv.sdu, self.srv.sdu)
            + b"\0"
            + struct.pack(">I", 0)
        )
        self.send_packet(ACCEPT, body)
        self.big = True
        return True

    def auth1(self):
        r = self.r
        has = r.u1()
        r.ub()
        r.ub()
        r.u1()
        n = r.ub()
        r.u1()
        r.u1()
        user = r.val().decode().upper() if has else ""
        for _ in range(n):
            r.lval()
            r.lval()
            r.ub()
        self.user = user.strip('"')
        pw = self.srv.users.get(self.user)
        self.known = pw is not None
        pw = (pw if pw is not None else secrets.token_hex(8)).encode()
        vfr, csk = secrets.token_bytes(16), secrets.token_bytes(16)
        pk = hashlib.pbkdf2_hmac("sha512", pw, vfr + b"AUTH_PBKDF2_SPEEDY_KEY", 4096, 64)
        self.h = hashlib.sha512(pk + vfr).digest()[:32]
        self.pw = pw
        self.csk = csk
        self.ka = secrets.token_bytes(32)
        kv = [
            ("AUTH_SESSKEY", aes(self.h, self.ka, True).hex().upper(), 0),
            ("AUTH_VFR_DATA", vfr.hex().upper(), 0x4815),
            ("AUTH_PBKDF2_CSK_SALT", csk.hex().upper(), 0),
            ("AUTH_PBKDF2_VGEN_COUNT", "4096", 0),
            ("AUTH_PBKDF2_SDER_COUNT", "3", 0),
        ]
        w = Writer().u1(8).ub(len(kv))
        for k, v, f in kv:
            w.lval(k).lval(v).ub(f)
        self.send(self.status(w))

    def auth2(self):
        r = self.r
        has = r.u1()
        r.ub()
        r.ub()
        r.u1()
        n = r.ub()
        r.u1()
        r.u1()
        if has:
            r.val()
        kv = {}
        for _ in range(n):
            k = r.lval().decode()
            kv[k] = r.lval().decode()
            r.ub()
        try:
            kb = aes(self.h, bytes.fromhex(kv["AUTH_SESSKEY"]), False)
            key = hashlib.pbkdf2_hmac(
                "sha512", (kb[:32] + self.ka).hex().upper().encode(), self.csk, 3, 32
            )
            p = aes(key, bytes.fromhex(kv["AUTH_PASSWORD"]), False)
            ok = self.known and p[16 : -p[-1]] == self.pw
        except Exception:
            ok = False
        if not ok:
            self.send(
                self.error(Writer(), OracleError(1017, "invalid username/password; logon denied"))
            )
            return
        self.attach()
        resp = aes(key, secrets.token_bytes(16) + b"SERVER_TO_CLIENT" + b"\x10" * 16, True)
        out = {
            "AUTH_VERSION_STRING": "- Production",
            "AUTH_VERSION_SQL": "25",
            "AUTH_VERSION_NO": str(19 << 24 | 3 << 16),
            "AUTH_DB_ID": "1",
            "AUTH_SESSION_ID": str(self.pg.pgconn.backend_pid),
            "AUTH_SERIAL_NUM": "1",
            "AUTH_SC_DBUNIQUE_NAME": "STANDIN",
            "AUTH_SC_SERVICE_NAME": "standin",
            "AUTH_INSTANCENAME": "standin",
            "AUTH_SC_INSTANCE_NAME": "standin",
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_SVR_RESPONSE": resp.hex().upper(),
        }
        w = Writer().u1(8).ub(len(out))
        for k, v in out.items():
            w.lval(k).lval(v).ub(0)
        self.send(self.status(w))

    def attach(self):
        self.pg = psycopg.connect(self.srv.pgdsn, autocommit=True)
        self.x(b'CREATE SCHEMA IF NOT EXISTS "%s"' % self.user.encode())
        self.x(
            b"SET search_path=\"%s\", ora, oracle, public, pg_catalog; SET timezone='UTC'; SET datestyle='ISO,YMD'; SET extra_float_digits=1"
            % self.user.encode()
        )
