"""Names that a run has in its databases, and short digests. Pure."""

from __future__ import annotations

import hashlib
import re


def fingerprint(*parts: object) -> str:
    """Return a short stable digest of some texts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


def session_tag(run_id: str) -> str:
    """Return the name that a run's sessions have in common, as administrators see them.

    A database cuts an application's name at 63 bytes and blanks what is not ASCII, so a run_id
    that would not survive is digested.
    """
    plain = re.fullmatch(r"[A-Za-z0-9._-]{1,36}", run_id) is not None
    return f"mapper_dask:{run_id if plain else fingerprint(run_id)}"


def keeper_name(tag: str) -> str:
    """Return the name of the session that keeps the snapshot of a run, by its sessions' own."""
    return f"{tag}:keeper"
