"""Processes with mounts of their own, for what a disk or another machine would do."""

from __future__ import annotations

import os
import shutil
import subprocess

APART = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
"""Begins a process that has mounts of its own."""


def mounting(folder: object, options: str = "size=64m") -> list[str]:
    """Return what begins a command that finds an empty disk in the place of a folder."""
    mount = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    return [*APART, "sh", "-c", mount, str(folder)]


def may_mount() -> bool:
    """Return whether that can be done here."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*mounting("/mnt"), "true"], check=False, stderr=subprocess.DEVNULL)
    return tried.returncode == 0


MAY_MOUNT = may_mount()
WHY_NOT = "no process may have mounts of its own here"
