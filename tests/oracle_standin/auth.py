"""The handshake: the service is found, the password proven (O5LOGON), the session attached."""

from __future__ import annotations

import hashlib
import re
import secrets
import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.oracle_standin.errors import OracleError
from tests.oracle_standin.packets import ACCEPT, REFUSE, Reader, Writer

SERVICE, PACKET_BYTES = "standin", 8192
PROTOCOL_VERSION = 318
VERIFIER_12C = 0x4815
VERSION_19_3 = 19 << 24 | 3 << 16
VERIFIER_ROUNDS, SESSION_ROUNDS = 4096, 3
PARAMETERS = 8

REFUSED = "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={0})(ERROR_STACK=(ERROR=(CODE={0})(EMFI=4))))"
UNKNOWN_SERVICE, DENIED = 12514, 1017


def _encrypted(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _decrypted(key: bytes, data: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


class Authentication:
    """A session's first calls."""

    server: Any
    reader: Reader
    user: str
    long_packets: bool

    def handshake(self) -> bool:
        """Accept the connection, or refuse it; return whether it was accepted."""
        wanted = self._wanted_service()
        fault = self.server.faults.take("CONNECT")
        if fault and fault.get("drop"):
            return False
        if fault or (wanted and wanted.lower() != SERVICE):
            text = REFUSED.format(fault["code"] if fault else UNKNOWN_SERVICE).encode()
            self.send_packet(REFUSE, bytes([34, 0]) + struct.pack(">H", len(text)) + text)
            return False
        shorts = (PROTOCOL_VERSION, 1, PACKET_BYTES, PACKET_BYTES, 1, 0, 45)
        body = struct.pack(">7H", *shorts) + b"\4\4" + bytes(8)
        body += struct.pack(">II", PACKET_BYTES, PACKET_BYTES) + b"\0" + struct.pack(">I", 0)
        self.send_packet(ACCEPT, body)
        self.long_packets = True
        return True

    def _wanted_service(self) -> str | None:
        _, body = self.read_packet()
        length, offset = struct.unpack(">HH", body[16:20])
        text = body[offset - 8 : offset - 8 + length]
        if len(text) < length:  # a long one comes in a packet of its own
            text = self.read_packet()[1][2:]
        found = re.search(r"SERVICE_NAME=([^)]*)", text.decode(), re.IGNORECASE)
        return found.group(1) if found else None

    def offer_session_key(self) -> None:
        """Answer a login with half of a key, encrypted by the password's verifier."""
        self.user, pairs = self._user_and_count()
        for _ in range(pairs):
            self.reader.sized()
            self.reader.sized()
            self.reader.number()
        known = self.server.users.get(self.user)
        password = known.password if known else secrets.token_hex(8)
        self.password = password.encode()
        salt, self.key_salt = secrets.token_bytes(16), secrets.token_bytes(16)
        self.password_key = hashlib.pbkdf2_hmac(
            "sha512", self.password, salt + b"AUTH_PBKDF2_SPEEDY_KEY", VERIFIER_ROUNDS, 64
        )
        self.verifier = hashlib.sha512(self.password_key + salt).digest()[:32]
        self.server_half = secrets.token_bytes(32)
        offered = (
            ("AUTH_SESSKEY", _encrypted(self.verifier, self.server_half).hex().upper(), 0),
            ("AUTH_VFR_DATA", salt.hex().upper(), VERIFIER_12C),
            ("AUTH_PBKDF2_CSK_SALT", self.key_salt.hex().upper(), 0),
            ("AUTH_PBKDF2_VGEN_COUNT", str(VERIFIER_ROUNDS), 0),
            ("AUTH_PBKDF2_SDER_COUNT", str(SESSION_ROUNDS), 0),
        )
        writer = Writer().uint8(PARAMETERS).number(len(offered))
        for name, value, flags in offered:
            writer.sized(name).sized(value).number(flags)
        self.send(self.status(writer))

    def _user_and_count(self) -> tuple[str, int]:
        reader = self.reader
        named = reader.uint8()
        reader.skip("nnb")
        pairs = reader.number()
        reader.skip("bb")
        user = (reader.value() or b"").decode() if named else ""
        return user.upper().strip('"'), pairs

    def check_password(self) -> None:
        """Answer the second half of a login: attach the session, or deny it."""
        sent = self._sent_pairs()
        key = self._session_key(sent)
        if key is None:
            denied = OracleError(DENIED, "invalid username/password; logon denied")
            self.send(self.outcome(Writer(), denied))
            return
        self.attach()
        proof = secrets.token_bytes(16) + b"SERVER_TO_CLIENT" + b"\x10" * 16
        facts = {
            "AUTH_VERSION_STRING": "- Production",
            "AUTH_VERSION_SQL": "25",
            "AUTH_VERSION_NO": str(VERSION_19_3),
            "AUTH_DB_ID": "1",
            "AUTH_SESSION_ID": str(self.postgres.pgconn.backend_pid),
            "AUTH_SERIAL_NUM": "1",
            "AUTH_SC_DBUNIQUE_NAME": SERVICE.upper(),
            "AUTH_SC_SERVICE_NAME": SERVICE,
            "AUTH_INSTANCENAME": SERVICE,
            "AUTH_SC_INSTANCE_NAME": SERVICE,
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_SVR_RESPONSE": _encrypted(key, proof).hex().upper(),
        }
        writer = Writer().uint8(PARAMETERS).number(len(facts))
        for name, value in facts.items():
            writer.sized(name).sized(value).number(0)
        self.send(self.status(writer))

    def _sent_pairs(self) -> dict[str, str]:
        _, pairs = self._user_and_count()
        sent = {}
        for _ in range(pairs):
            name = self.reader.sized().decode()
            sent[name] = self.reader.sized().decode()
            self.reader.number()
        return sent

    def _session_key(self, sent: dict[str, str]) -> bytes | None:
        """Return the key both sides hold; None when the client does not know the password."""
        try:
            half = _decrypted(self.verifier, bytes.fromhex(sent["AUTH_SESSKEY"]))
            whole = (half[:32] + self.server_half).hex().upper().encode()
            key = hashlib.pbkdf2_hmac("sha512", whole, self.key_salt, SESSION_ROUNDS, 32)
            padded = _decrypted(key, bytes.fromhex(sent["AUTH_PASSWORD"]))
        except (KeyError, ValueError):
            return None
        right = self.user in self.server.users and padded[16 : -padded[-1]] == self.password
        return key if right else None
