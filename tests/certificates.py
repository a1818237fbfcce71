"""Certificates made for a test, by the machine's own openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority made for the tests."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Identity:
    """A certificate that an authority signed, and its key."""

    certificate: Path
    key: Path


def openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def authority(folder: Path, name: str) -> Authority:
    made = Authority(folder / f"{name}.crt", folder / f"{name}.key")
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-days", 2, "-keyout", made.key, "-out", made.certificate),
    )
    return made


def identity(folder: Path, name: str, by: Authority, *, names: str | None = None) -> Identity:
    """Return a certificate for a host, or without names for a client."""
    made, request = Identity(folder / f"{name}.crt", folder / f"{name}.key"), folder / f"{name}.csr"
    openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-keyout", made.key, "-out", request),
    )
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n" if names else "")
    openssl(
        *("x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key, "-days", 2),
        *("-CAcreateserial", "-extfile", extensions, "-out", made.certificate),
    )
    return made
